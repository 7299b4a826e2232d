"""Write the listeners and routes of a gateway.

Models    envoy.config.listener.v3.Listener, envoy.config.route.v3.RouteConfiguration
Follows   istio pilot/pkg/model/gateway.go (mergeGateways), pilot/pkg/networking/core/gateway.go
Leaves    servers with TLS or TCP (docs/fidelity.md#gateway-tls)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from simulator.config.istio import Server
from simulator.config.objects import Object
from simulator.diagnostics import Diagnostic, diagnose
from simulator.istiod import names, protocol, route
from simulator.istiod.hash_policy import of_destination
from simulator.istiod.http_chain import gateway_manager
from simulator.istiod.match import catches_all
from simulator.istiod.part import Part, address, duration
from simulator.istiod.routes import configuration, sorted_hosts
from simulator.istiod.scope import Scope
from simulator.istiod.service import UNSPECIFIED
from simulator.istiod.services import selects
from simulator.istiod.virtual_service import VirtualService, age


@dataclass(frozen=True, slots=True, kw_only=True)
class _Served:
    """A server of a Gateway."""

    gateway: Object
    server: Server
    at: str

    @property
    def name(self) -> str:
        """Return the Gateway as VirtualServices name it."""
        return f"{self.gateway.namespace}/{self.gateway.name}"


@dataclass(slots=True, kw_only=True)
class Gateways:
    """What a gateway pod opens, by the port of the pod."""

    by_port: dict[int, list[_Served]] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)


def gateways(scope: Scope) -> Gateways:
    """Return the servers of all Gateways that select the pod; the oldest wins a port."""
    found = Gateways()
    targets = _targets(scope)
    for source in sorted(scope.mesh.manifests.of("Gateway"), key=age):
        selector = source.spec.selector
        if selector and not selects(selector, scope.pod.labels):
            continue
        for index, server in enumerate(source.spec.servers):
            served = _Served(gateway=source, server=server, at=f"spec.servers[{index}]")
            if not protocol.parse(server.port.protocol).http:
                found.diagnostics.append(_not_simulated(served))
                continue
            for port in targets.get(server.port.number, [server.port.number]):
                found.by_port.setdefault(port, []).append(served)
    return found


def _not_simulated(served: _Served) -> Diagnostic:
    place = f"{served.at}.port.protocol"
    return diagnose(
        "not-simulated",
        position=served.gateway.at(place),
        resource=served.gateway.ref,
        field=place,
        what=f"a gateway's {served.server.port.protocol} server",
    )


def _targets(scope: Scope) -> dict[int, list[int]]:
    """Return which ports of the pod a port of its services leads to."""
    found: dict[int, list[int]] = {}
    for service in scope.mesh.services.values():
        if service.namespace != scope.pod.namespace:
            continue
        if not selects(service.selector, scope.pod.labels):
            continue
        for port in service.ports:
            target = port.target(scope.pod.named_ports)
            if target and target not in found.setdefault(port.number, []):
                found[port.number].append(target)
    return found


def gateway_listeners(found: Gateways) -> Iterator[Part]:
    """Yield a listener for each port that has a server."""
    for port in sorted(found.by_port):
        name = names.listener(UNSPECIFIED, port)
        manager = gateway_manager(names.stat_prefix(f"outbound_{name}"), _route_name(port))
        first = found.by_port[port][0]
        part = Part(
            value={
                "name": name,
                "address": address(UNSPECIFIED, port),
                "traffic_direction": "OUTBOUND",
                "listener_filters_timeout": duration(0),
            }
        )
        part.note("", first.gateway, first.at)
        part.list("filter_chains", [Part(value={"filters": [manager]})])
        yield part


def _route_name(port: int) -> str:
    return f"http.{port}"


def gateway_routes(scope: Scope, found: Gateways) -> Iterator[Part]:
    """Yield the route configuration of each port."""
    for port in sorted(found.by_port):
        served = found.by_port[port]
        hosts = _hosts(scope, served)
        if not hosts:
            number = served[0].server.port.number
            nowhere = {"name": names.virtual_host("blackhole", number), "domains": ["*"]}
            hosts = {"*": Part(value=nowhere)}
        yield configuration(_route_name(port), sorted_hosts(hosts.values()))


def _hosts(scope: Scope, served: list[_Served]) -> dict[str, Part]:
    drafts: dict[str, tuple[Part, list[Part]]] = {}
    for each in served:
        number = each.server.port.number
        redirects = each.server.tls is not None and each.server.tls.https_redirect
        context = _context(scope, each)
        for virtual_service in scope.of_gateway(each.name):
            shared = _intersection(each.server.hosts, virtual_service, each.gateway.namespace)
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


def _context(scope: Scope, served: _Served) -> route.Context:
    return route.Context(
        labels=scope.pod.labels,
        namespace=scope.pod.namespace,
        port=served.server.port.number,
        gateways=frozenset({served.name}),
        tls=served.server.tls is not None,
        service=scope.services.get,
        hash_policy=lambda target, namespace: of_destination(scope, target, namespace),
    )


def _intersection(
    written: tuple[str, ...], virtual_service: VirtualService, home: str
) -> list[str]:
    """Return the hosts that a server and a VirtualService have in common."""
    allowed = []
    for each in written:
        namespace, found, host = each.rpartition("/")
        namespace = home if namespace == "." else namespace
        if not found or namespace in {"*", virtual_service.namespace}:
            allowed.append(host.lower())
    shared: list[str] = []
    for wanted in virtual_service.hosts:
        host = wanted.lower()
        for offered in allowed:
            if names.subset_of(host, offered):
                both = host
            elif names.subset_of(offered, host):
                both = offered
            else:
                continue
            if both not in shared:
                shared.append(both)
    return shared
