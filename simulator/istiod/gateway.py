"""Write the listeners and routes of a gateway.

Models    envoy.config.listener.v3.Listener, envoy.config.route.v3.RouteConfiguration
Follows   istio pilot/pkg/networking/core/gateway.go
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from simulator.config.objects import Object
from simulator.diagnostics import Diagnostic, diagnose
from simulator.istiod import names, route, tls
from simulator.istiod.admission import behind, http_admission
from simulator.istiod.gateway_tcp import tcp_chains
from simulator.istiod.hash_policy import of_destination
from simulator.istiod.http_chain import gateway_manager, listener_filter
from simulator.istiod.match import catches_all
from simulator.istiod.part import Part, address, duration
from simulator.istiod.routes import configuration, sorted_hosts
from simulator.istiod.scope import Scope
from simulator.istiod.servers import Opened, Opening, Served, services_named
from simulator.istiod.service import UNSPECIFIED
from simulator.istiod.tcp_routes import chain_match
from simulator.istiod.telemetry import listener_logs
from simulator.istiod.virtual_service import VirtualService

_MISDIRECTED = 421
"""Of a request that belongs on another connection (RFC 9110, section 15.5.20)."""


def gateway_listeners(scope: Scope, found: Opening) -> Iterator[Part]:
    """Yield a listener for each address and port that anything comes in by."""
    for key in sorted(found.opened):
        opened = found.opened[key]
        chains = list(_apart(_chains(scope, opened)))
        if not chains:
            continue
        first = opened.servers[0]
        part = Part(
            value={
                "name": names.listener(opened.bind, opened.port),
                "address": address(opened.bind, opened.port),
                "traffic_direction": "OUTBOUND",
                "listener_filters_timeout": duration(0),
                "access_log": listener_logs(scope.mesh, scope.pod, "CLIENT"),
            }
        )
        part.note("", first.gateway, first.at)
        if not opened.plain:
            part.value["listener_filters"] = [listener_filter("tls_inspector")]
        part.list("filter_chains", chains)
        yield part


def _apart(chains: Iterable[Part]) -> Iterator[Part]:
    """Yield the chains but those that ask for the same as an earlier one: Envoy refuses two."""
    seen: list[Any] = []
    for chain in chains:
        match = chain.value.get("filter_chain_match")
        if match not in seen:
            seen.append(match)
            yield chain


def _chains(scope: Scope, opened: Opened) -> Iterator[Part]:
    stat_prefix = names.stat_prefix(f"outbound_{names.listener(opened.bind, opened.port)}")
    first = opened.servers[0]
    admission = http_admission(scope)
    policies = list(behind(scope, admission))
    if first.protocol.http:
        manager = gateway_manager(scope, stat_prefix, first.route, admission)
        chain = Part(value={"filters": [manager]})
        _note(chain, policies)
        chain.note("", first.gateway, first.at)
        yield chain
        return
    # Envoy refuses two chains for the same name: the first has it.
    taken: set[str] = set()
    for served in opened.servers:
        if not served.http:
            yield from tcp_chains(scope, served, taken)
            continue
        settings = served.server.tls
        assert settings is not None, "a server of HTTPS without TLS is not one of HTTP"
        named = served.server.name or stat_prefix
        manager = gateway_manager(scope, named, served.route, admission)
        chain = Part(value={"filters": [manager]})
        match = chain_match((), served.names)
        if match:
            chain.value["filter_chain_match"] = match
        chain.value["transport_socket"] = tls.server_socket(settings, opaque=False)
        _note(chain, policies)
        chain.note("transport_socket", served.gateway, f"{served.at}.tls")
        chain.note("", served.gateway, served.at)
        yield chain


def _note(chain: Part, policies: Sequence[tuple[str, Object, str]]) -> None:
    for path, source, place in policies:
        chain.note(f"filters[0].typed_config.http_filters{path}", source, place)


def left_out(served: Served, first: Served) -> Diagnostic:
    """Say that a server has no room on a port beside an older one."""
    return diagnose(
        "gateway-conflict",
        position=served.gateway.at(served.at),
        resource=served.gateway.ref,
        field=served.at,
        port=served.port,
        first=f"{first.gateway.ref} {first.at}",
    )


def gateway_routes(scope: Scope, found: Opening) -> Iterator[Part]:
    """Yield the route configuration of each port, and of each server that ends TLS."""
    for name, served in found.by_route().items():
        hosts = _hosts(scope, served)
        beside = found.opened[served[0].port, served[0].server.bind or UNSPECIFIED].servers
        for host in _others(served[0], beside):
            hosts[host] = _misdirected(host, served[0].server.port.number)
        if not hosts:
            number = served[0].server.port.number
            nowhere = {"name": names.virtual_host("blackhole", number), "domains": ["*"]}
            hosts = {"*": Part(value=nowhere)}
        yield configuration(name, sorted_hosts(hosts.values()))


def _others(served: Served, beside: list[Served]) -> Iterator[str]:
    """Yield the hosts of a Kubernetes Gateway's other HTTPS listeners at the same port.

    A request for one of them has come on a connection that was opened for another
    listener's host.
    """
    if served.protocol.http or services_named(served.gateway) is None:
        return
    own = {name.lower() for name in served.names}
    for other in beside:
        if other.http and services_named(other.gateway) is not None:
            yield from (name.lower() for name in other.names if name.lower() not in own)


def _misdirected(host: str, port: int) -> Part:
    answer = {"match": {"prefix": "/"}, "direct_response": {"status": _MISDIRECTED}}
    name = names.virtual_host(f"misdirected-{host}", port)
    return Part(value={"name": name, "domains": [host], "routes": [answer]})


def _hosts(scope: Scope, served: list[Served]) -> dict[str, Part]:
    drafts: dict[str, tuple[Part, list[Part]]] = {}
    for each in served:
        number = each.server.port.number
        redirects = each.server.tls is not None and each.server.tls.https_redirect
        context = _context(scope, each)
        for virtual_service in scope.of_gateway(each.name):
            wanted = (host.lower() for host in virtual_service.hosts)
            shared = names.intersection(wanted, each.hosts(virtual_service.namespace))
            routes = route.routes(virtual_service, context) if shared else []
            if not routes:
                continue
            for host in shared:
                part, known = drafts.setdefault(host, _draft(host, number, virtual_service))
                known.extend(routes)
                if redirects:
                    part.put("require_tls", "ALL", each.gateway, f"{each.at}.tls.httpsRedirect")
        if redirects:
            for written in each.server.hosts:
                host = written.rpartition("/")[2].lower()
                part, _ = drafts.setdefault(host, _draft(host, number, None))
                part.put("require_tls", "ALL", each.gateway, f"{each.at}.tls.httpsRedirect")
    for part, routes in drafts.values():
        # Of several VirtualServices for a host, those that take everything come last.
        routes.sort(key=lambda one: catches_all(one.value))
        part.list("routes", routes)
    return {host: part for host, (part, _) in drafts.items()}


def _draft(host: str, port: int, virtual_service: VirtualService | None) -> tuple[Part, list[Part]]:
    part = Part(
        value={
            "name": names.virtual_host(host, port),
            "domains": [host],
            "include_request_attempt_count": True,
        }
    )
    if virtual_service is not None:
        part.note("", virtual_service.source, "spec.hosts")
    return part, []


def _context(scope: Scope, served: Served) -> route.Context:
    return route.Context(
        labels=scope.pod.labels,
        namespace=scope.pod.namespace,
        port=served.server.port.number,
        gateways=frozenset({served.name}),
        tls=served.server.tls is not None,
        service=scope.services.get,
        hash_policy=lambda target, namespace: of_destination(scope, target, namespace),
        retries=scope.mesh.config.default_http_retry_policy,
    )
