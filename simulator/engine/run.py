"""What came of a run: its rows, and what they say, for charts, tables and checks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.metadata import version
from typing import Any

import numpy as np

from simulator.config.scenario import Slo
from simulator.engine.budget import budget
from simulator.engine.control_plane import ControlPlane
from simulator.engine.metrics import Sample, known, standard
from simulator.engine.recorder import DIRECTIONS, Recorder
from simulator.engine.slo import Verdict, judged
from simulator.engine.summary import (
    ClientSummary,
    Edge,
    Rows,
    Series,
    ServiceSummary,
    Summary,
    counts,
    figures,
    series,
    shares,
)
from simulator.istiod.registry import Mesh
from simulator.observe.observation import to_json
from simulator.observe.pushes import Delivery, Push
from simulator.observe.record import Names

SCHEMA = "run.v1"
_INBOUND = DIRECTIONS.index("inbound")
_OUTBOUND = DIRECTIONS.index("outbound")


class _Labels:
    """What the recorder's names stand for, as numbers of `names`; -1 is nothing.

    Each column is indexed by a number of the recorder's; its last entry serves -1.
    """

    def __init__(self, recorded: list[str], meshes: Sequence[Mesh]) -> None:
        self._numbers = Names()
        everyone = [pod for mesh in meshes for pod in mesh.pods]
        by_name = {pod.ref: pod for pod in everyone} | {pod.ip: pod for pod in everyone}
        ips = [name.rpartition(":")[0].strip("[]") for name in recorded]
        pods = [
            by_name.get(name) or by_name.get(ip) for name, ip in zip(recorded, ips, strict=True)
        ]
        self.known = known(pods, meshes)
        self.workloads = self._column([pod.deployment if pod else None for pod in pods])
        self.versions = self._column(
            [(pod.version or pod.deployment) if pod else None for pod in pods]
        )
        self.hosts = self._column([host_of(name) for name in recorded])
        self.names = self._numbers.names

    def _column(self, labels: list[str | None]) -> Rows:
        return np.array([*(self._numbers.number(label) for label in labels), -1], dtype=np.int32)


def host_of(cluster: str) -> str:
    """Return the service host in a cluster's name (`outbound|9080|v1|HOST`), or the name."""
    return cluster.rpartition("|")[2] or cluster


class Run:
    """A finished run. All of it follows from `digest`, `seed`, `duration_ns` and `version`."""

    def __init__(
        self,
        recorder: Recorder,
        meshes: Sequence[Mesh],
        *,
        title: str,
        seed: int,
        digest: str,
        duration_ns: int,
        clients: tuple[str, ...],
        events: int,
        slos: tuple[Slo, ...] = (),
        control: ControlPlane | None = None,
    ) -> None:
        """`meshes` is the mesh at the beginning, and after each event that changed it."""
        self.title = title
        self.seed = seed
        self.digest = digest
        """The scenario's."""
        self.duration_ns = duration_ns
        self.version = version("meshdojo")
        self.clients = clients
        self._slos = slos
        self.events = events
        """How many the simulation took."""
        self.pushes: tuple[Push, ...] = control.pushes if control else ()
        """What istiod pushed, in order; nothing where no event changed anything."""
        self.deliveries: tuple[Delivery, ...] = tuple(control.deliveries) if control else ()
        """Every response that a proxy answered, in the order of the answers."""
        self.requests = recorder.requests.read()
        """One row a client's request, by when it was answered; numbers are of `names`."""
        self.hops = recorder.hops.read()
        """One row a proxy that a request passed, by when it was done with it."""
        self.names: list[str] = recorder.names.names
        self._labels = _Labels(self.names, meshes)
        self._calls = self.hops[self.hops["direction"] != _INBOUND]

    @cached_property
    def summary(self) -> Summary:
        """Return the run in figures."""
        return Summary(
            duration_ns=self.duration_ns,
            clients=tuple(self._client(name) for name in self.clients),
            services=tuple(self._service(name) for name in self.services),
            edges=tuple(self._edges()),
        )

    @cached_property
    def series(self) -> tuple[Series, ...]:
        """Return the course of each client and service, second by second."""
        found = []
        for name in self.clients:
            rows = self._of_client(name)
            labels = self._labels.versions[rows["pod"]]
            found.append(self._course("client", name, rows, rows["start_ns"], labels))
        for host in self.services:
            rows = self._of_service(host)
            labels = self._labels.versions[rows["endpoint"]]
            found.append(self._course("service", host, rows, rows["received_ns"], labels))
        return tuple(found)

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Return which of the scenario's `slos` were kept."""
        return tuple(judged(self._slos, self.summary.clients))

    @cached_property
    def metrics(self) -> tuple[Sample, ...]:
        """Return Istio's standard metrics at the end of the run, of all proxies together."""
        return standard(self.hops, self.names, self._labels.known)

    @cached_property
    def budget(self) -> Rows:
        """Return where the time of each of `requests` went: ns, by `budget.PARTS`."""
        return budget(self.requests, self.hops, self._labels.known.workloads)

    @cached_property
    def services(self) -> tuple[str, ...]:
        """Return the hosts of the services that were called, in alphabetical order."""
        numbers = np.unique(self._labels.hosts[self._calls["cluster"]]).tolist()
        return tuple(sorted(self._labels.names[number] for number in numbers if number >= 0))

    def document(self) -> dict[str, Any]:
        """Return the run as JSON values: what reproduces it, figures and courses."""
        return {
            "schema": SCHEMA,
            "title": self.title,
            "version": self.version,
            "digest": self.digest,
            "seed": self.seed,
            "summary": to_json(self.summary),
            "series": to_json(self.series),
            "pushes": to_json(self.pushes),
            **self._promised(),
        }

    def _promised(self) -> dict[str, Any]:
        found = [{**to_json(each), "met": each.met} for each in self.verdicts]
        return {"verdicts": found} if found else {}

    def to_json(self) -> str:
        """Return the document as text; the same run gives the same bytes."""
        return json.dumps(self.document(), sort_keys=True, separators=(",", ":"))

    def _of_client(self, name: str) -> Rows:
        number = self.names.index(name)
        rows: Rows = self.requests[self.requests["client"] == number]
        return rows

    def _of_service(self, host: str) -> Rows:
        number = self._labels.names.index(host)
        rows: Rows = self._calls[self._labels.hosts[self._calls["cluster"]] == number]
        return rows

    def _course(self, kind: str, name: str, rows: Rows, starts: Rows, labels: Rows) -> Series:
        within = starts < self.duration_ns
        return series(
            kind,
            name,
            rows[within],
            starts[within],
            labels[within],
            self._labels.names,
            self.duration_ns,
        )

    @cached_property
    def _first_hops(self) -> Rows:
        """The first proxy's row of each request that passed one, by request."""
        order = np.lexsort((self.hops["received_ns"], self.hops["request"]))
        rows = self.hops[order]
        _, first = np.unique(rows["request"], return_index=True)
        return rows[first]

    def _client(self, name: str) -> ClientSummary:
        rows = self._of_client(name)
        answered = [str(status) for status in rows["status"][rows["status"] >= 0].tolist()]
        statuses = Counter(answered)
        if len(answered) < len(rows):
            statuses["none"] = len(rows) - len(answered)
        firsts = self._first_hops
        mine = firsts[np.isin(firsts["request"], rows["request"])]
        return ClientSummary(
            name=name,
            figures=figures(rows, self.duration_ns),
            statuses=dict(sorted(statuses.items())),
            flags=counts(mine["flags"], self.names),
            versions=shares(self._labels.versions[rows["pod"]], self._labels.names),
            errors=counts(rows["error"], self.names),
        )

    def _service(self, host: str) -> ServiceSummary:
        rows = self._of_service(host)
        return ServiceSummary(
            host=host,
            figures=figures(rows, self.duration_ns),
            flags=counts(rows["flags"], self.names),
            versions=shares(self._labels.versions[rows["endpoint"]], self._labels.names),
            attempts=int(rows["attempts"].sum()),
        )

    def _edges(self) -> Iterator[Edge]:
        yield from self._entries()
        labels, calls = self._labels, self._calls
        sent = calls[labels.workloads[calls["endpoint"]] >= 0]
        keys = np.stack(
            (
                labels.workloads[sent["proxy"]],
                labels.workloads[sent["endpoint"]],
                labels.hosts[sent["cluster"]],
                labels.versions[sent["endpoint"]],
            ),
            axis=1,
        )
        distinct, member = np.unique(keys, axis=0, return_inverse=True)
        named = [tuple(labels.names[number] for number in key) for key in distinct.tolist()]
        for at in sorted(range(len(named)), key=named.__getitem__):
            source, destination, host, release = named[at]
            yield Edge(
                source=source,
                destination=destination,
                service=host,
                version=release,
                figures=figures(sent[member.reshape(-1) == at], self.duration_ns),
            )

    def _entries(self) -> Iterator[Edge]:
        """Yield the edges from clients without a proxy to where their requests entered."""
        firsts = self._first_hops[self._first_hops["direction"] != _OUTBOUND]
        workloads = self._labels.workloads[firsts["proxy"]]
        for client in self.clients:
            rows = self._of_client(client)
            for number in np.unique(workloads).tolist():
                entered = firsts["request"][workloads == number]
                mine = rows[np.isin(rows["request"], entered)]
                if len(mine):
                    yield Edge(
                        source=client,
                        destination=self._labels.names[number],
                        service="",
                        version="",
                        figures=figures(mine, self.duration_ns),
                    )
