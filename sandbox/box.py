"""A real mesh on this machine: started, probed and stopped.

with Sandbox.start(scenario) as box:
    seen = box.probe([Request(url="http://reviews:9080/", from_="sleep.default")])
"""

from __future__ import annotations

import asyncio
import math
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from random import Random
from types import TracebackType
from typing import Any, Self

from sandbox import rundir
from sandbox.access import Growing
from sandbox.client import Errand, Sent, errands, send_all
from sandbox.control import ask
from sandbox.drivers import mesh
from sandbox.drivers.driver import Driver, Progress
from sandbox.drivers.process import ProcessDriver
from sandbox.errors import ProbeTimeout, SandboxError, Unsupported
from sandbox.faults import Faults
from sandbox.held import dump
from sandbox.jail.allowed import foreign
from sandbox.journey import complete, hops
from sandbox.plan import Plan, Proxy, passthrough, plan, proxies, served
from simulator.config.scenario import Request
from simulator.engine.resolve import OUTSIDE
from simulator.istiod.discovery import Status
from simulator.observe.observation import Observation, of_hops
from simulator.scenario import Scenario

_LOG_TIMEOUT_S = 5.0
_POLL_S = 0.02
_ANSWERS_S = 60.0
_LAST_WORDS_S = 0.5
_QUIET_S = 0.12
"""Two of Envoy's log intervals: a line written before is then in the file."""


@dataclass(slots=True)
class Load:
    """What came of requests sent at a steady rate."""

    ways: dict[str, int] = field(default_factory=dict)
    """By status, or by error, how many ended so."""
    latencies_ns: list[int] = field(default_factory=list)
    """Of the answered ones, from when each was due; the shortest first."""

    def percentile_ns(self, percent: float) -> int:
        """Return the latency that so many percent of the answers did not exceed."""
        return self.latencies_ns[max(0, math.ceil(len(self.latencies_ns) * percent / 100) - 1)]


class Sandbox:
    """A mesh that runs; a context manager that leaves nothing behind."""

    def __init__(
        self,
        entry: rundir.Entry,
        made: Plan,
        running: mesh.Mesh,
        claim: socket.socket,
        *,
        confined: bool,
    ) -> None:
        self.entry = entry
        self.plan = made
        self.running = running
        self._claim = claim
        self._confined = confined
        self.faults = Faults(made, running)
        self._access = Growing(made.run_dir / "access")
        self._witness = Growing(made.run_dir / "witness")
        self._sent = 0

    @classmethod
    def start(
        cls,
        scenario: Scenario,
        on_progress: Progress | None = None,
        *,
        driver: Driver | None = None,
        seconds: float = 3600.0,
        start_timeout_s: float = 60.0,
        name: str = "",
        detached: bool = False,
    ) -> Sandbox:
        """Return the scenario's mesh once it is ready; it lives at most so many `seconds`.

        Raises SandboxError, with nothing left running.
        """
        progress = on_progress or _silent
        driver = driver or ProcessDriver()
        rundir.sweep()
        progress("translating the manifests")
        run_dir, entry = rundir.create(seconds=seconds, scenario=name, detached=detached)
        try:
            slot, claim = rundir.claim()
        except BaseException:
            rundir.discard(run_dir)
            raise
        try:
            made = plan(scenario, run_dir, driver.addressing(run_dir, slot, scenario.mesh.pods))
            if not driver.confines:
                _admit(made)
            launch = driver.launch(made, progress)
            progress(f"starting {len(made.proxies)} Envoys")
            running = mesh.start(made, launch, progress, seconds=seconds, timeout_s=start_timeout_s)
        except BaseException:
            claim.close()
            rundir.discard(run_dir)
            raise
        return cls(entry, made, running, claim, confined=driver.confines)

    @property
    def id(self) -> str:
        """Return the id by which `meshdojo sandbox` knows it."""
        return self.entry.id

    def probe(self, requests: Sequence[Request], *, at_once: int = 1) -> tuple[Observation, ...]:
        """Send the requests and return one observation each, in order.

        One after the other, as the simulator does; with `at_once` so many at the same time.
        Raises Unsupported, ProcessDied or ProbeTimeout.
        """
        # Short: Envoy rewrites the 15th character of an id that is long enough to be a UUID.
        todo = errands(self.plan, requests, prefix=self.id[:6], first=self._sent)
        self._sent += len(todo)
        self.running.hear(0.0)
        try:
            sent = _run(todo, at_once)
        except SandboxError:
            self.running.hear(_LAST_WORDS_S)  # whoever died says more than whoever missed it
            raise
        self._collect(sent)
        seen = tuple(self._observation(each) for each in sent)
        for growing in (self._access, self._witness):
            growing.forget([each.request_id for each in todo])
        return seen

    @contextmanager
    def under_load(self, request: Request, *, rate: float, seconds: float) -> Iterator[Load]:
        """Send a request so often a second while the block runs; then fill in what came of it.

        Each from the request's client, on a connection of its own. Raises Unsupported, or
        SandboxError for a client that ends.
        """
        (errand,) = errands(self.plan, [request], prefix="load", first=self._sent)
        self._sent += 1
        if not errand.places:
            raise Unsupported(errand.id, errand.error)
        wire = errand.wire(Random())
        wire["headers"] = [pair for pair in wire["headers"] if pair[0] != "x-request-id"]
        asked = {"do": "load", "wire": wire, "rate": rate, "seconds": seconds}
        asked["prefix"] = errand.request_id
        found = Load()
        with ThreadPoolExecutor(1) as thread:
            answer = thread.submit(
                asyncio.run, ask(errand.control, asked, timeout_s=seconds + _ANSWERS_S)
            )
            yield found
            told = answer.result()
        found.ways.update(told["ways"])
        found.latencies_ns.extend(told["latencies_ns"])

    def dump(self, proxy: str) -> dict[str, Any]:
        """Return what the Envoy of a pod says of itself, for `sandbox.held`.

        Raises simulator.istiod.registry.UnknownProxyError, or SandboxError if it says nothing.
        """
        pod = self.plan.mesh.pod(proxy)
        if pod.ref not in self.plan.proxies:
            raise SandboxError(f"{pod.ref} has no proxy")
        try:
            return dump(self.plan.admin(pod.ref))
        except OSError as error:
            raise SandboxError(f"the Envoy of {pod.ref} does not answer: {error}") from error

    def status(self) -> dict[str, dict[str, Status]]:
        """Return, by pod and kind, what each proxy was sent and what became of it."""
        return self.running.status()

    def update(self, scenario: Scenario, *, timeout_s: float = 15.0) -> None:
        """Give the proxies what a changed scenario of the same pods makes of them.

        Returns when all have accepted it. Raises Unsupported, Refused, StartTimeout for a proxy
        that says nothing, or ProcessDied.
        """
        self._change(scenario, self.plan.proxies, timeout_s)

    def rotate(self, scenario: Scenario, *, timeout_s: float = 15.0) -> None:
        """Give the proxies new certificates, and return when all have them. Raises as `update`."""
        self._change(scenario, {}, timeout_s)

    def _change(self, scenario: Scenario, kept: Mapping[str, Proxy], timeout_s: float) -> None:
        changed = proxies(scenario, self.plan.addressing, self.plan.authority, kept)
        if not self._confined:
            _admit(replace(self.plan, mesh=scenario.mesh, proxies=changed))
        self.plan.proxies.update(changed)
        self.running.push({ref: served(each) for ref, each in changed.items()}, timeout_s)

    def stop(self, *, failed: bool = False) -> None:
        """End everything; after a failure the logs are kept."""
        try:
            self.running.stop(failed=failed)
        finally:
            self._claim.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        failed = isinstance(error, SandboxError)
        if failed and self.plan.run_dir.exists():
            (self.plan.run_dir / rundir.FAILED).write_text(str(error))
        self.stop(failed=failed)

    def _collect(self, sent: Sequence[Sent]) -> None:
        """Wait until every proxy on the way of every request has told of it."""
        deadline = time.monotonic() + _LOG_TIMEOUT_S
        quiet_since = time.monotonic()
        while True:
            grown = self._access.read()
            grown = self._witness.read() or grown
            now = time.monotonic()
            if grown:
                quiet_since = now
            elif now - quiet_since >= _QUIET_S:
                missing = [each for each in sent if not self._told(each)]
                if not missing and not any(self._at_work(each) for each in sent):
                    return
                if now > deadline:
                    break
            self.running.hear(_POLL_S)
        if missing:
            first = missing[0].errand
            message = (
                f"{first.id}: the access log of a proxy on its way did not come within "
                f"{_LOG_TIMEOUT_S:g} s ({len(missing)} of {len(sent)} requests)"
            )
            raise ProbeTimeout(message)

    def _told(self, sent: Sent) -> bool:
        lines = self._access.by_id.get(sent.errand.request_id, [])
        if not lines:
            return sent.status is None or not self._enters_a_proxy(sent.errand)
        return complete(lines, self.plan.addressing, set(self.plan.proxies))

    def _enters_a_proxy(self, errand: Errand) -> bool:
        owners = {self.plan.addressing.owner(f"{host}:{port}") for host, port in errand.places}
        return bool(owners & set(self.plan.proxies)) or errand.request.from_ != OUTSIDE

    def _at_work(self, sent: Sent) -> bool:
        """Say whether a workload is not done with a request for which it calls others."""
        notes = [
            line for _, line in self._witness.by_id.get(sent.errand.request_id, []) if line["calls"]
        ]
        return sum(1 if line["event"] == "begin" else -1 for line in notes) > 0

    def _observation(self, sent: Sent) -> Observation:
        errand = sent.errand
        lines = self._access.by_id.get(errand.request_id, [])
        for proxy, line in lines:
            refusal = passthrough(self.plan.proxies[proxy], line["cluster"] or "", errand.id)
            if refusal is not None:
                raise refusal
        return of_hops(
            hops(lines, self.plan.mesh, self.plan.addressing),
            id=errand.id,
            n=errand.n,
            status=sent.status,
            duration_ns=sent.duration_ns,
            response_headers=sent.headers,
            body=sent.body,
            error=sent.error,
        )


def _admit(made: Plan) -> None:
    """Raise Unsupported for code of a learner's that only a driver with walls may run."""
    if not any(made.mesh.manifests.of(kind) for kind in ("EnvoyFilter", "WasmPlugin")):
        return
    for ref, proxy in made.proxies.items():
        if reasons := foreign(proxy.rebound.resources):
            raise Unsupported(
                f"the proxy of {ref}", f"{reasons[0]}: only --driver docker has walls"
            )


def _run(todo: tuple[Errand, ...], at_once: int) -> list[Sent]:
    # A notebook's cell runs inside a loop: ours needs a thread of its own.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, send_all(todo, at_once=at_once)).result()


def _silent(_: str) -> None:
    pass
