"""Write the chains of a gateway for connections whose inside it does not look at.

Models    envoy.config.listener.v3.FilterChain
Follows   istio pilot/pkg/networking/core/gateway.go (createGatewayTCPFilterChainOpts)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simulator.config.istio import L4MatchAttributes, TLSMatchAttributes
from simulator.istiod import names, tls
from simulator.istiod.admission import tcp_admission
from simulator.istiod.http_chain import to_cluster
from simulator.istiod.part import Part
from simulator.istiod.protocol import Protocol
from simulator.istiod.registry import Port
from simulator.istiod.scope import Scope
from simulator.istiod.servers import Served
from simulator.istiod.tcp_routes import chain, chain_match, proxy
from simulator.istiod.virtual_service import VirtualService, gateway_name

MESH_ALPN = ["istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2"]
"""What sidecars offer when they speak mutual TLS to each other."""


def tcp_chains(scope: Scope, served: Served, taken: set[str]) -> Iterator[Part]:
    """Yield the chains of a server; `taken` are the names of TLS servers that have one."""
    if served.auto:
        yield from _to_clusters(scope, served)
    elif served.passes_tls:
        yield from _by_name(scope, served, taken)
    else:
        opened = list(_opened(scope, served))
        yield from opened or _by_name(scope, served, taken)


def _opened(scope: Scope, served: Served) -> Iterator[Part]:
    """Yield the one chain of a server of bytes, TLS around them or not: the first rule's."""
    for virtual_service in _attached(scope, served):
        source = virtual_service.source
        for index, rule in enumerate(source.spec.tcp):
            if not rule.route or not _applies(rule.match, virtual_service, served):
                continue
            filters = [*tcp_admission(scope), proxy(scope, source, rule.route, _port(served))]
            settings = served.server.tls
            wanted = served.names if settings is not None else ()
            part = chain(chain_match((), wanted), filters, source)
            part.note("", source, f"spec.tcp[{index}]")
            if settings is not None:
                part.value["transport_socket"] = tls.server_socket(settings, opaque=True)
                part.note("transport_socket", served.gateway, f"{served.at}.tls")
            yield part
            return


def _by_name(scope: Scope, served: Served, taken: set[str]) -> Iterator[Part]:
    settings = served.server.tls
    for virtual_service in _attached(scope, served):
        source = virtual_service.source
        for index, rule in enumerate(source.spec.tls):
            for at, match in enumerate(rule.match):
                if not _applies((match,), virtual_service, served):
                    continue
                wanted = _narrowed(match.sni_hosts, virtual_service, served)
                if not wanted or not taken.isdisjoint(wanted):
                    continue
                taken.update(wanted)
                filters = [*tcp_admission(scope), proxy(scope, source, rule.route, _port(served))]
                part = chain(chain_match((), wanted), filters, source)
                part.note("", source, f"spec.tls[{index}].match[{at}]")
                if settings is not None and not served.passes_tls:
                    part.value["transport_socket"] = tls.server_socket(settings, opaque=True)
                    part.note("transport_socket", served.gateway, f"{served.at}.tls")
                yield part


def _narrowed(
    hosts: tuple[str, ...], virtual_service: VirtualService, served: Served
) -> tuple[str, ...]:
    """Return the names that a rule means; one of a TLSRoute, no more than its listener has."""
    if not virtual_service.gateway_semantics:
        return hosts
    common = [
        narrow
        for host in hosts
        for offered in served.hosts(virtual_service.namespace)
        for narrow, wide in ((host, offered), (offered, host))
        if names.subset_of(narrow, wide)
    ]
    return tuple(dict.fromkeys(common))


def _to_clusters(scope: Scope, served: Served) -> Iterator[Part]:
    """Yield a chain for each cluster within the mesh that a client may name as its server."""
    offered = served.names
    for service in scope.services.values():
        if service.external or not any(names.subset_of(service.hostname, one) for one in offered):
            continue
        rule = scope.destination_rule(service.hostname)
        subsets = [each.subset.name for each in rule.subsets] if rule is not None else []
        for port in service.ports:
            if port.protocol is Protocol.UDP:
                continue
            for subset in ("", *subsets):
                cluster = names.sni_dnat(service.hostname, port.number, subset)
                match: dict[str, Any] = {
                    "server_names": [cluster],
                    "application_protocols": MESH_ALPN,
                }
                part = chain(match, [to_cluster(scope, cluster)], None)
                part.note("", served.gateway, served.at)
                yield part


def _attached(scope: Scope, served: Served) -> Iterator[VirtualService]:
    for each in scope.of_gateway(served.name):
        offered = served.hosts(each.namespace)
        if any(names.matches(host.lower(), one) for host in each.hosts for one in offered):
            yield each


def _applies(
    matches: tuple[L4MatchAttributes | TLSMatchAttributes, ...],
    virtual_service: VirtualService,
    served: Served,
) -> bool:
    if not matches:
        return True
    home = virtual_service.namespace
    return any(
        (not each.port or each.port == served.server.port.number)
        and (not each.gateways or served.name in {gateway_name(one, home) for one in each.gateways})
        for each in matches
    )


def _port(served: Served) -> Port:
    own = served.server.port
    return Port(name=own.name, number=own.number, target_port=own.number, protocol=served.protocol)
