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
from simulator.istiod.registry import Mesh, Pod

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What is told of a pod's workload."""

    ip: str
    proxied: bool
    name: str
    namespace: str
    principal: str
    app: str
    version: str
    service: str
    """The canonical one."""
    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is told of a mesh, without the mesh: it travels with a run."""

    workloads: tuple[Workload | None, ...]
    """Of each recorded name, and of no name."""
    services: Mapping[str, str]
    """Their names, by host."""
    served: Mapping[tuple[str, int], tuple[str, str]]
    """The host and the name of the oldest service that leads to an address and port."""


def known(pods: Sequence[Pod | None], meshes: Sequence[Mesh]) -> Known:
    """Return what is told of the pods, whose names were recorded, and of the meshes."""
    served: dict[tuple[str, int], tuple[str, str]] = {}
    ips = {pod.ip for pod in pods if pod is not None}
    for mesh in meshes:
        for service in mesh.registered:
            for each in service.endpoints:
                if each.address in ips:
                    place = each.address, each.port
                    served.setdefault(place, (service.hostname, service.name))
    services = {one.hostname: one.name for mesh in meshes for one in mesh.services.values()}
    # One object for a pod, whichever of its names was recorded.
    told = {pod.ref: _workload(meshes[0], pod) for pod in pods if pod is not None}
    workloads = tuple(told[pod.ref] if pod else None for pod in (*pods, None))
    return Known(workloads=workloads, services=services, served=served)


def _workload(mesh: Mesh, pod: Pod) -> Workload:
    name, _, namespace = pod.deployment.rpartition(".")
    service, revision = canonical_service(pod.labels, name)
    return Workload(
        ip=pod.ip,
        proxied=pod.proxied,
        name=name,
        namespace=namespace,
        principal=identity(mesh, pod),
        app=pod.labels.get("app", UNKNOWN),
        version=pod.version or UNKNOWN,
        service=service,
        revision=revision or "latest",
    )


def standard(hops: Rows, names: Sequence[str], known: Known) -> tuple[Sample, ...]:
    """Return the samples, by name and labels.

    `hops` are a run's, `names` what their numbers mean, and `known` whose names those are.
    """
    labelled = _Labelled([*names, ""], known)
    peers = _peers(hops, known.workloads)
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


def _peers(hops: Rows, workloads: Sequence[Workload | None]) -> Rows:
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
            reached = workloads[endpoints[before]]
            if reached is not None and reached.proxied:
                peers[at] = proxies[before]
    return peers


def _columns(hops: Rows, *names: str) -> list[list[int]]:
    return [hops[name].tolist() for name in names]


class _Labelled:
    """What is told of hops, in the order of Istio's documentation."""

    def __init__(self, names: Sequence[str], known: Known) -> None:
        self._names = names
        self._known = known

    def of(self, row: Mapping[str, int], peer: int) -> dict[str, str]:
        inbound, mutual = row["direction"] == _INBOUND, bool(row["mutual"])
        workloads = self._known.workloads
        own = workloads[row["proxy"]]
        other = workloads[peer if inbound else row["endpoint"]]
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
            **_told("source", source, mutual=mutual),
            **_told("destination", destination, mutual=mutual),
            "destination_service": host,
            "destination_service_name": name,
            "destination_service_namespace": destination.namespace if destination else UNKNOWN,
            "request_protocol": "tcp" if tcp else "http",
            **({} if tcp else {"response_code": str(max(row["status"], 0))}),
            "response_flags": self._names[row["flags"]] or "-",
            "connection_security_policy": policy,
        }

    def _inbound(self, own: Workload, cluster: str) -> tuple[str, str]:
        """Return the host and the name of the service that an inbound cluster stands for."""
        if cluster.startswith(_NO_SERVICE):
            return own.service, cluster
        number = cluster.split("|")[1] if cluster.count("|") > 1 else ""
        place = own.ip, int(number) if number.isdecimal() else 0
        return self._known.served.get(place, (own.service, own.service))

    def _outbound(self, cluster: str) -> tuple[str, str]:
        if not cluster or cluster.startswith(_NO_SERVICE):
            return UNKNOWN, cluster or UNKNOWN
        host = cluster.rpartition("|")[2]
        return host, self._known.services.get(host, host.partition(".")[0])


def _told(side: str, workload: Workload | None, *, mutual: bool) -> dict[str, str]:
    name = namespace = app = version = principal = cluster = service = UNKNOWN
    revision = "latest"
    if workload is not None:
        name, namespace, cluster = workload.name, workload.namespace, _CLUSTER
        app, version = workload.app, workload.version
        principal = workload.principal if mutual else UNKNOWN
        service, revision = workload.service, workload.revision
    return {
        f"{side}_workload": name,
        f"{side}_workload_namespace": namespace,
        f"{side}_principal": principal,
        f"{side}_app": app,
        f"{side}_version": version,
        f"{side}_cluster": cluster,
        f"{side}_canonical_service": service,
        f"{side}_canonical_revision": revision,
    }
