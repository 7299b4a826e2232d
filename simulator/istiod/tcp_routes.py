"""Write the filter chains for connections whose inside is not looked at.

Models    envoy.config.listener.v3.FilterChain, envoy.extensions.filters.network.tcp_proxy.v3
Follows   istio pilot/pkg/networking/core/tls.go, networkfilter.go
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from typing import Any

from simulator.config.istio import L4MatchAttributes, RouteDestination, TLSMatchAttributes
from simulator.config.objects import Object
from simulator.istiod import names
from simulator.istiod.http_chain import tcp_proxy, to_cluster
from simulator.istiod.part import Part, wrapped
from simulator.istiod.protocol import Protocol
from simulator.istiod.registry import Port, Service
from simulator.istiod.scope import Scope
from simulator.istiod.service import UNSPECIFIED
from simulator.istiod.virtual_service import VirtualService

_TLS = frozenset({Protocol.TLS, Protocol.HTTPS})


def tcp_chains(scope: Scope, service: Service, port: Port, bind: str) -> list[Part]:
    """Return the chains for a service's port: as its VirtualServices say, or straight to it."""
    found: list[Part] = []
    subnets = _subnets(service, bind)
    everything = False
    for each in scope.of_gateway(names.MESH_GATEWAY):
        if not any(names.matches(host, service.hostname) for host in each.hosts):
            continue
        if port.protocol in _TLS:
            found += _tls(scope, each, service, port, subnets)
        tcp, complete = _tcp(scope, each, port, subnets)
        found += tcp
        if complete:
            everything = True
            break
    if not everything and not (found and port.protocol in _TLS):
        found.append(_default(service, port, subnets))
    return found


def _subnets(service: Service, bind: str) -> list[str]:
    """Return what tells services apart that share the unspecified address."""
    if bind != UNSPECIFIED:
        return []
    return [each for each in service.addresses if each != UNSPECIFIED]


def _match(subnets: Sequence[str], **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    ranges = []
    for each in sorted(subnets):
        try:
            network = ip_network(each, strict=False)
        except ValueError:
            continue
        prefix = {"address_prefix": str(network.network_address)}
        ranges.append({**prefix, "prefix_len": wrapped(network.prefixlen)})
    return {**fields, **({"prefix_ranges": ranges} if ranges else {})}


def _chain(match: dict[str, Any], filters: list[dict[str, Any]], source: Object | None) -> Part:
    chain = Part(value={"filters": filters})
    if match:
        chain.value["filter_chain_match"] = match
    chain.note("", source, "")
    return chain


def _default(service: Service, port: Port, subnets: list[str]) -> Part:
    match = _match(subnets)
    if port.protocol in _TLS and not subnets and service.ip == UNSPECIFIED:
        match = {"server_names": [service.hostname]}
    cluster = names.outbound(service.hostname, port.number)
    return _chain(match, [to_cluster(cluster)], service.source)


def _tcp(
    scope: Scope, virtual_service: VirtualService, port: Port, subnets: list[str]
) -> tuple[list[Part], bool]:
    """Return the chains of `spec.tcp`, and whether they take every connection."""
    source = virtual_service.source
    found = []
    for index, rule in enumerate(source.spec.tcp):
        if not rule.route:
            continue
        filters = [_proxy(scope, source, rule.route, port)]
        matches = rule.match or (None,)
        for match in matches:
            if match is not None and not _applies(match, scope, port):
                continue
            wanted = list(match.destination_subnets) if match is not None else []
            chain = _chain(_match(wanted or subnets), filters, source)
            chain.note("", source, f"spec.tcp[{index}]")
            found.append(chain)
            if not wanted:
                return found, True
    return found, False


def _tls(
    scope: Scope,
    virtual_service: VirtualService,
    service: Service,
    port: Port,
    subnets: list[str],
) -> list[Part]:
    source = virtual_service.source
    found = []
    for index, rule in enumerate(source.spec.tls):
        for match in rule.match:
            if not _applies(match, scope, port):
                continue
            if not any(names.matches(host, service.hostname) for host in match.sni_hosts):
                continue
            hosts = sorted(each for each in match.sni_hosts if each != "*")
            fields = {"server_names": hosts} if hosts else {}
            wanted = list(match.destination_subnets) or subnets
            filters = [_proxy(scope, source, rule.route, port)]
            chain = _chain(_match(wanted, **fields), filters, source)
            chain.note("", source, f"spec.tls[{index}]")
            found.append(chain)
    return found


def _applies(match: L4MatchAttributes | TLSMatchAttributes, scope: Scope, port: Port) -> bool:
    if match.port and match.port != port.number:
        return False
    if match.gateways:
        return names.MESH_GATEWAY in match.gateways
    labels: Mapping[str, str] = scope.pod.labels
    if any(labels.get(name) != value for name, value in match.source_labels.items()):
        return False
    return not match.source_namespace or match.source_namespace == scope.pod.namespace


def _proxy(
    scope: Scope, source: Object, destinations: Sequence[RouteDestination], port: Port
) -> dict[str, Any]:
    clusters = [(_cluster(scope, source, each, port), each.weight) for each in destinations]
    if len(clusters) == 1:
        return to_cluster(clusters[0][0])
    weighted = [{"name": name, "weight": weight} for name, weight in clusters if weight]
    return tcp_proxy(f"{source.name}.{source.namespace}", weighted_clusters={"clusters": weighted})


def _cluster(scope: Scope, source: Object, target: RouteDestination, port: Port) -> str:
    destination = target.destination
    host = names.resolve(destination.host, source.namespace)
    service = scope.services.get(host)
    number = port.number
    if destination.port is not None and destination.port.number:
        number = destination.port.number
    elif service is not None and len(service.ports) == 1:
        number = service.ports[0].number
    return names.outbound(host, number, destination.subset)
