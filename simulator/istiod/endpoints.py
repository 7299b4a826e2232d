"""Write the endpoints of a cluster.

Models    envoy.config.endpoint.v3.ClusterLoadAssignment
Follows   istio pilot/pkg/xds/endpoints/endpoint_builder.go
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from simulator.envoy_api import message
from simulator.istiod import names, traffic_policy
from simulator.istiod.authn.clients import ISTIO, MATCH_KEY, TLS_MODE, speaks_tls
from simulator.istiod.destination_rule import Placed
from simulator.istiod.locality import Preference, grouped, preference
from simulator.istiod.part import Part, address, istio_metadata, wrapped
from simulator.istiod.protocol import Protocol
from simulator.istiod.registry import Endpoint, Locality, Mesh, Port, Resolution, Service
from simulator.istiod.scope import Scope


def assignment(
    scope: Scope,
    service: Service,
    port: Port,
    placed: Placed | None,
    *,
    unready: bool,
    named: Callable[[str, int, str], str] = names.outbound,
) -> Part:
    """Return the endpoints of a service's port, or of one of its subsets.

    `unready` says whether those that are not ready are sent too, marked as unhealthy.
    """
    subset = placed.subset.name if placed is not None else ""
    part = Part(value={"cluster_name": named(service.hostname, port.number, subset)})
    if placed is not None:
        part.note("", placed.source, placed.at)
    else:
        part.note("", service.source, "spec.selector" if service.selector else "")
    part.list("endpoints", locality_endpoints(scope, service, port, placed, unready=unready))
    return part


def locality_endpoints(
    scope: Scope, service: Service, port: Port, placed: Placed | None, *, unready: bool = True
) -> list[Part]:
    """Return the endpoints grouped by locality and priority, in the order of localities."""
    wanted = dict(placed.subset.labels or {}) if placed is not None else {}
    found = [
        each
        for each in service.endpoints_of(port)
        if all(each.labels.get(name) == value for name, value in wanted.items())
        and (each.ready or unready)
    ]
    near = preferred(scope, service, port, placed)
    parts = []
    for group in grouped(found, near, scope.pod):
        endpoints = sorted(group.endpoints, key=lambda one: (_order(one.address), one.port))
        part = Part(value={"locality": _locality(group.locality)})
        part.list("lb_endpoints", [_endpoint(scope.mesh, each, service) for each in endpoints])
        part.value["load_balancing_weight"] = wrapped(group.weight)
        if group.priority:
            part.value["priority"] = group.priority
        parts.append(part)
    return parts


def preferred(
    scope: Scope, service: Service, port: Port, placed: Placed | None
) -> Preference | None:
    """Return how locality weighs in the choice of a cluster's endpoints."""
    rule = scope.destination_rule(service.hostname)
    blocks = traffic_policy.of_cluster(rule, port.number, placed)
    balancer = blocks.get("load_balancer")
    return preference(
        scope.mesh.config.locality_lb_setting,
        balancer.value.locality_lb_setting if balancer is not None else None,
        service,
        outlier_detection="outlier_detection" in blocks,
    )


def _order(text: str) -> tuple[tuple[int, ...], str]:
    pieces = text.split(".")
    if len(pieces) == 4 and all(each.isdecimal() for each in pieces):
        return tuple(int(each) for each in pieces), ""
    return (), text


def _locality(locality: Locality) -> dict[str, str]:
    return {"region": locality.region, "zone": locality.zone, "sub_zone": locality.subzone}


def _endpoint(mesh: Mesh, endpoint: Endpoint, service: Service) -> Part:
    part = Part(
        value={
            "endpoint": {"address": address(endpoint.address, endpoint.port)},
            "health_status": "HEALTHY" if endpoint.ready else "UNHEALTHY",
            "load_balancing_weight": wrapped(endpoint.weight),
            "metadata": istio_metadata({"workload": _workload(endpoint, service)}),
        }
    )
    if speaks_tls(mesh, endpoint):
        wanted = message("google.protobuf.Struct")()
        wanted.update({TLS_MODE: ISTIO})
        part.value["metadata"]["filter_metadata"][MATCH_KEY] = wanted
    part.note("", endpoint.source, "")
    return part


def _workload(endpoint: Endpoint, service: Service) -> Any:  # noqa: ANN401 - a plain value
    canonical, revision = canonical_service(endpoint.labels, endpoint.workload)
    namespace = endpoint.namespace or service.namespace
    fields = (endpoint.workload, namespace, canonical, revision, "Kubernetes")
    return ";".join(fields)


def canonical_service(labels: Mapping[str, str], workload: str) -> tuple[str, str]:
    """Return the name and the revision (perhaps empty) by which telemetry knows a workload."""
    name = (
        labels.get("service.istio.io/canonical-name")
        or labels.get("app.kubernetes.io/name")
        or labels.get("app")
        or workload
    )
    revision = (
        labels.get("service.istio.io/canonical-revision")
        or labels.get("app.kubernetes.io/version")
        or labels.get("version")
        or ""
    )
    return name, revision


def assignments(
    scope: Scope, *, named: Callable[[str, int, str], str] = names.outbound
) -> Iterator[Part]:
    """Yield the endpoints of every cluster that the proxy asks the control plane for."""
    for service in scope.services.values():
        if not _asked_for(scope, service):
            continue
        if named is names.sni_dnat and service.external:
            continue
        rule = scope.destination_rule(service.hostname)
        for port in service.ports:
            if port.protocol is Protocol.UDP:
                continue
            yield assignment(scope, service, port, None, unready=True, named=named)
            for placed in rule.subsets if rule is not None else ():
                yield assignment(scope, service, port, placed, unready=True, named=named)


def _asked_for(scope: Scope, service: Service) -> bool:
    if service.resolution is Resolution.ORIGINAL:
        return scope.pod.gateway
    return service.resolution is Resolution.ENDPOINTS
