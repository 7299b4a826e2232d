"""Write the filter chains for connections whose inside is not looked at.

Models    envoy.config.listener.v3.FilterChain, envoy.extensions.filters.network.tcp_proxy.v3
Follows   istio pilot/pkg/networking/core/tls.go, networkfilter.go
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import Any

from simulator.config.istio import L4MatchAttributes, RouteDestination, TLSMatchAttributes
from simulator.config.objects import Object
from simulator.istiod import names
from simulator.istiod.http_chain import tcp_proxy, to_cluster
from simulator.istiod.part import Part, istio_metadata, wrapped
from simulator.istiod.protocol import Protocol
from simulator.istiod.registry import Port, Service
from simulator.istiod.scope import Egress, Scope
from simulator.istiod.service import UNSPECIFIED
from simulator.istiod.virtual_service import VirtualService

TLS = frozenset({Protocol.TLS, Protocol.HTTPS})
"""Routed by the server's name."""


def tcp_chains(
    scope: Scope, egress: Egress, service: Service, port: Port, bind: str, cidr: str
) -> list[Part]:
    """Return the chains for a service's port: as its VirtualServices say, or straight to it.

    `cidr` is what tells the service from others at the same address, where there is any.
    """
    concerned = egress.concerning(service.hostname)
    subnets = [cidr] if cidr else []
    if port.protocol in TLS:
        found = list(_tls(scope, concerned, port, subnets))
        return found or [_by_name(scope, service, port, bind, subnets)]
    found, complete = _tcp(scope, concerned, port, subnets)
    if not complete:
        found.append(_straight(scope, service, port, chain_match(subnets)))
    return found


def chain_match(subnets: Sequence[str], server_names: Iterable[str] = ()) -> dict[str, Any]:
    """Return a FilterChainMatch; empty where it would match everything."""
    ranges = []
    for each in sorted(subnets):
        try:
            network = ip_network(each, strict=False)
        except ValueError:
            continue
        if str(network.network_address) != UNSPECIFIED:
            # As written: Envoy takes the host's bits away itself.
            prefix = {"address_prefix": each.partition("/")[0]}
            ranges.append({**prefix, "prefix_len": wrapped(network.prefixlen)})
    wanted = sorted(server_names)
    found: dict[str, Any] = {}
    if wanted and "*" not in wanted:
        found["server_names"] = wanted
    if ranges:
        found["prefix_ranges"] = ranges
    return found


def chain(match: dict[str, Any], filters: list[dict[str, Any]], source: Object | None) -> Part:
    """Return a filter chain; one of a VirtualService names it in its metadata."""
    part = Part(value={"filters": filters})
    if match:
        part.value["filter_chain_match"] = match
    if source is not None and source.kind == "VirtualService":
        path = names.config_path(
            "networking.istio.io/v1", source.kind, source.namespace, source.name
        )
        part.value["metadata"] = istio_metadata({"config": path})
    part.note("", source, "")
    return part


def _straight(scope: Scope, service: Service, port: Port, match: dict[str, Any]) -> Part:
    # A Sidecar's own port leads to the one port of the service, else to none.
    number = service.ports[0].number if len(service.ports) == 1 else port.number
    cluster = names.outbound(service.hostname, number)
    return chain(match, [to_cluster(scope, cluster)], service.source)


def _by_name(scope: Scope, service: Service, port: Port, bind: str, subnets: Sequence[str]) -> Part:
    """Return the chain to a TLS service, by its name where its address does not tell it."""
    shared = service.listens_at(dns_capture=scope.pod.dns_capture) == (UNSPECIFIED,)
    wanted: list[str] = []
    if subnets or (shared and bind == UNSPECIFIED):
        wanted = [service.hostname]
    return _straight(scope, service, port, chain_match(subnets, wanted))


def _tcp(
    scope: Scope, virtual_services: Iterable[VirtualService], port: Port, subnets: list[str]
) -> tuple[list[Part], bool]:
    """Return the chains of `spec.tcp`, and whether they take every connection."""
    found: list[Part] = []
    for each in virtual_services:
        source = each.source
        for index, rule in enumerate(source.spec.tcp):
            if not rule.route:
                continue
            filters = [proxy(scope, source, rule.route, port)]
            wanted: list[str] = []
            for match in rule.match or (None,):
                if match is not None and not _applies(match, scope, port):
                    continue
                if match is None or not match.destination_subnets:
                    last = chain(chain_match(subnets), filters, source)
                    last.note("", source, f"spec.tcp[{index}]")
                    return [*found, last], True
                wanted += match.destination_subnets
            if wanted:
                part = chain(chain_match(wanted), filters, source)
                part.note("", source, f"spec.tcp[{index}]")
                found.append(part)
                if sorted(wanted) == sorted(subnets):
                    return found, True
    return found, False


def _tls(
    scope: Scope, virtual_services: Iterable[VirtualService], port: Port, subnets: list[str]
) -> Iterator[Part]:
    seen: list[dict[str, Any]] = []
    for each in virtual_services:
        source = each.source
        for index, rule in enumerate(source.spec.tls):
            for match in rule.match:
                if not _applies(match, scope, port):
                    continue
                wanted = chain_match(match.destination_subnets or subnets, match.sni_hosts)
                if wanted in seen:
                    continue
                seen.append(wanted)
                part = chain(wanted, [proxy(scope, source, rule.route, port)], source)
                part.note("", source, f"spec.tls[{index}]")
                yield part


def _applies(match: L4MatchAttributes | TLSMatchAttributes, scope: Scope, port: Port) -> bool:
    pod = scope.pod
    return l4_match(match, pod.labels, pod.namespace, port.number, {names.MESH_GATEWAY})


def l4_match(
    match: L4MatchAttributes | TLSMatchAttributes,
    labels: Mapping[str, str],
    namespace: str,
    port: int,
    gateways: Container[str],
) -> bool:
    """Say whether what of a condition is known of the proxy beforehand holds."""
    if match.port and match.port != port:
        return False
    if match.gateways and not any(each in gateways for each in match.gateways):
        return False
    if any(labels.get(name) != value for name, value in match.source_labels.items()):
        return False
    return not match.source_namespace or match.source_namespace == namespace


def proxy(
    scope: Scope, source: Object, destinations: Sequence[RouteDestination], port: Port
) -> dict[str, Any]:
    """Return the TCP proxy to a rule's destinations."""
    clusters = [(_cluster(scope, source, each, port), each.weight) for each in destinations]
    if len(clusters) == 1:
        return to_cluster(scope, clusters[0][0])
    weighted = [{"name": name, "weight": weight} for name, weight in clusters if weight]
    return tcp_proxy(
        scope, f"{source.name}.{source.namespace}", weighted_clusters={"clusters": weighted}
    )


def _cluster(scope: Scope, source: Object, target: RouteDestination, port: Port) -> str:
    destination = target.destination
    host = names.resolve(destination.host, source.namespace)
    service = scope.services.get(host)
    number = port.number
    if destination.port is not None and destination.port.number:
        number = destination.port.number
    elif service is not None and len(service.ports) == 1:
        number = service.ports[0].number
    if service is not None and service.external_name:
        host = service.external_name
    return names.outbound(host, number, destination.subset)
