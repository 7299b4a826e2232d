"""Istio's standard metrics, as a run's proxies would have counted them.

Models    istio_requests_total, istio_request_duration_milliseconds,
          istio_tcp_connections_{opened,closed}_total
Follows   istio/proxy source/extensions/filters/http/istio_stats/istio_stats.cc,
          envoy/source/common/stats/histogram_impl.cc (the default buckets)
Leaves    bytes, messages of gRPC, the service of a request that no route takes
          (docs/fidelity.md#standard-metrics)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from simulator.engine.summary import Rows
from simulator.istiod.authn.clients import identity
from simulator.istiod.endpoints import canonical_service
from simulator.istiod.registry import Mesh, Pod, Service
from simulator.istiod.targets import targets

REQUESTS = "istio_requests_total"
DURATION = "istio_request_duration_milliseconds"
OPENED = "istio_tcp_connections_opened_total"
CLOSED = "istio_tcp_connections_closed_total"
UNKNOWN = "unknown"
_CLUSTER = "Kubernetes"
_MILLISECOND_NS = 1_000_000
_INBOUND = 1
_BOUNDS = (0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000,
           300_000, 600_000, 1_800_000, 3_600_000)  # fmt: skip
"""Milliseconds."""
_ALIKE = ("proxy", "direction", "status", "flags", "cluster", "endpoint", "mutual", "tcp")
_NO_SERVICE = ("PassthroughCluster", "BlackHoleCluster", "InboundPassthroughCluster")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One sample, as Prometheus would scrape it."""

    name: str
    labels: Mapping[str, str]
    value: float


def standard(
    hops: Rows, names: Sequence[str], pods: Sequence[Pod | None], meshes: Sequence[Mesh]
) -> tuple[Sample, ...]:
    """Return the samples, by name and labels.

    `hops` are a run's, `names` what their numbers mean, and `pods` whose names those are.
    """
    labelled = _Labelled([*names, ""], [*pods, None], meshes)
    peers = _peers(hops, labelled.pods)
    keys = np.stack([*(hops[name] for name in _ALIKE), peers], axis=1).astype(np.int32)
    distinct, member = np.unique(keys, axis=0, return_inverse=True)
    order = np.argsort(member.reshape(-1), kind="stable")
    counts = np.bincount(member.reshape(-1), minlength=len(distinct))
    parts = np.split(hops["duration_ns"][order] // _MILLISECOND_NS, np.cumsum(counts)[:-1])
    # Many pods make one workload.
    together: dict[tuple[tuple[str, str], ...], list[Rows]] = {}
    for key, part in zip(distinct.tolist(), parts, strict=False):
        *shared, peer = key
        row = dict(zip(_ALIKE, shared, strict=True))
        together.setdefault(tuple(labelled.of(row, peer).items()), []).append(part)
    found = [
        sample
        for labels, durations in together.items()
        for sample in _samples(dict(labels), np.concatenate(durations))
    ]
    # By name; of one name, and of one histogram's bounds, the order stays.
    return tuple(sorted(found, key=lambda each: (each.name, _without_bound(each.labels))))


def _without_bound(labels: Mapping[str, str]) -> list[str]:
    return [value for name, value in labels.items() if name != "le"]


def _samples(labels: dict[str, str], durations: Rows) -> Iterator[Sample]:
    count = len(durations)
    if labels["request_protocol"] == "tcp":
        for name in (OPENED, CLOSED):
            yield Sample(name=name, labels=labels, value=count)
        return
    yield Sample(name=REQUESTS, labels=labels, value=count)
    for bound in _BOUNDS:
        within = int((durations <= bound).sum())
        yield Sample(name=f"{DURATION}_bucket", labels={**labels, "le": f"{bound}"}, value=within)
    yield Sample(name=f"{DURATION}_bucket", labels={**labels, "le": "+Inf"}, value=count)
    yield Sample(name=f"{DURATION}_sum", labels=labels, value=int(durations.sum()))
    yield Sample(name=f"{DURATION}_count", labels=labels, value=count)


def _peers(hops: Rows, pods: Sequence[Pod | None]) -> Rows:
    """Return the number of the proxy that each inbound hop came from; -1 where none is known."""
    places = {
        key: at for at, key in enumerate(zip(*_columns(hops, "request", "span"), strict=True))
    }
    peers = np.full(len(hops), -1, dtype=np.int32)
    columns = _columns(hops, "request", "parent", "direction")
    proxies, endpoints = _columns(hops, "proxy", "endpoint")
    for at, (request, parent, direction) in enumerate(zip(*columns, strict=True)):
        before = places.get((request, parent)) if direction == _INBOUND else None
        if before is not None:
            # A workload without a proxy may have stood between them.
            reached = pods[endpoints[before]]
            if reached is not None and reached.proxied:
                peers[at] = proxies[before]
    return peers


def _columns(hops: Rows, *names: str) -> list[list[int]]:
    return [hops[name].tolist() for name in names]


class _Labelled:
    """What is told of hops, in the order of Istio's documentation."""

    def __init__(
        self, names: Sequence[str], pods: Sequence[Pod | None], meshes: Sequence[Mesh]
    ) -> None:
        self.pods = pods
        self._names = names
        self._mesh = meshes[0]
        self._services = {
            host: service for mesh in meshes for host, service in mesh.services.items()
        }
        self._meshes = meshes
        self._served: dict[str, dict[int, Service]] = {}

    def of(self, row: Mapping[str, int], peer: int) -> dict[str, str]:
        inbound, mutual = row["direction"] == _INBOUND, bool(row["mutual"])
        own = self.pods[row["proxy"]]
        other = self.pods[peer if inbound else row["endpoint"]]
        source, destination = (other, own) if inbound else (own, other)
        cluster = self._names[row["cluster"]]
        if inbound and own is not None:
            service = self._inbound(own, cluster)
        else:
            service = self._outbound(cluster)
        policy = ("mutual_tls" if mutual else "none") if inbound else UNKNOWN
        tcp = bool(row["tcp"])
        host, name = service
        return {
            "reporter": "destination" if inbound else "source",
            **self._workload("source", source, mutual=mutual),
            **self._workload("destination", destination, mutual=mutual),
            "destination_service": host,
            "destination_service_name": name,
            "destination_service_namespace": destination.namespace if destination else UNKNOWN,
            "request_protocol": "tcp" if tcp else "http",
            **({} if tcp else {"response_code": str(max(row["status"], 0))}),
            "response_flags": self._names[row["flags"]] or "-",
            "connection_security_policy": policy,
        }

    def _workload(self, side: str, pod: Pod | None, *, mutual: bool) -> dict[str, str]:
        if pod is None:
            name = namespace = app = version = principal = cluster = service = UNKNOWN
            revision = "latest"
        else:
            name, _, namespace = pod.deployment.rpartition(".")
            app, version = pod.labels.get("app", UNKNOWN), pod.version or UNKNOWN
            principal = identity(self._mesh, pod) if mutual else UNKNOWN
            service, revision = canonical_service(pod.labels, name)
            cluster = _CLUSTER
        return {
            f"{side}_workload": name,
            f"{side}_workload_namespace": namespace,
            f"{side}_principal": principal,
            f"{side}_app": app,
            f"{side}_version": version,
            f"{side}_cluster": cluster,
            f"{side}_canonical_service": service,
            f"{side}_canonical_revision": revision or "latest",
        }

    def _inbound(self, pod: Pod, cluster: str) -> tuple[str, str]:
        """Return the host and the name of the service that an inbound cluster stands for."""
        name = canonical_service(pod.labels, pod.deployment.rpartition(".")[0])[0]
        if cluster.startswith(_NO_SERVICE):
            return name, cluster
        number = cluster.split("|")[1] if cluster.count("|") > 1 else ""
        service = self._services_of(pod).get(int(number)) if number.isdecimal() else None
        return (service.hostname, service.name) if service else (name, name)

    def _services_of(self, pod: Pod) -> dict[int, Service]:
        """Return what leads to the pod's ports: of several services the oldest."""
        found = self._served.get(pod.ref)
        if found is None:
            found = self._served[pod.ref] = {}
            for mesh in self._meshes:
                for each in targets(mesh, pod):
                    found.setdefault(each.number, each.service)
        return found

    def _outbound(self, cluster: str) -> tuple[str, str]:
        if not cluster or cluster.startswith(_NO_SERVICE):
            return UNKNOWN, cluster or UNKNOWN
        host = cluster.rpartition("|")[2]
        service = self._services.get(host)
        return host, service.name if service else host.partition(".")[0]
