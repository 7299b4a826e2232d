"""Bring the servers of all Gateways that select a pod together, port by port.

Servers share a port if both speak plain HTTP, or both are told apart by the name that
TLS clients send; else the older one has it.

Follows   istio pilot/pkg/model/gateway.go (mergeGateways), push_context.go (mergeGateways)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from simulator.config.istio import Server
from simulator.config.objects import Object
from simulator.istiod import protocol
from simulator.istiod.names import for_namespace
from simulator.istiod.protocol import Protocol
from simulator.istiod.registry import Mesh, Pod
from simulator.istiod.service import UNSPECIFIED
from simulator.istiod.services import selects
from simulator.istiod.targets import Target, targets
from simulator.istiod.virtual_service import age

_OF_SERVICES = "internal.istio.io/gateway-service"
"""Names the services before a Gateway, in place of a selector."""
_OF_PARENT = "internal.istio.io/parent-namespace"
"""Names the namespace of those services, if it is not the Gateway's own."""
_NO_TRANSLATION = "experimental.istio.io/disable-gateway-port-translation"
_PASSED = frozenset({"PASSTHROUGH", "AUTO_PASSTHROUGH"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A server of a Gateway on one port of a pod."""

    gateway: Object
    server: Server
    at: str
    port: int
    """The pod's."""

    @property
    def name(self) -> str:
        """Return the Gateway as VirtualServices name it."""
        return f"{self.gateway.namespace}/{self.gateway.name}"

    @property
    def protocol(self) -> Protocol:
        """Return what its clients speak."""
        return protocol.parse(self.server.port.protocol)

    @property
    def passes_tls(self) -> bool:
        """Say whether TLS goes through it unopened."""
        return self.server.tls is not None and self.server.tls.mode in _PASSED

    @property
    def auto(self) -> bool:
        """Say whether clients name the cluster that they are led to."""
        return self.server.tls is not None and self.server.tls.mode == "AUTO_PASSTHROUGH"

    @property
    def plain(self) -> bool:
        """Say whether connections are not TLS."""
        return self.server.tls is None or self.protocol.http

    @property
    def http(self) -> bool:
        """Say whether requests come out of it."""
        if self.protocol.http:
            return True
        ends = self.server.tls is not None and not self.passes_tls
        return self.protocol is Protocol.HTTPS and ends

    @property
    def route(self) -> str:
        """Return the name of its route configuration; empty if it has none."""
        if self.protocol.http:
            bind = f".{self.server.bind}" if self.server.bind else ""
            return f"http.{self.port}{bind}"
        if not self.http:
            return ""
        own = self.server.port
        return f"https.{own.number}.{own.name}.{self.gateway.name}.{self.gateway.namespace}"

    def hosts(self, namespace: str) -> list[str]:
        """Return the hosts that VirtualServices of a namespace may bring routes for."""
        own = self.gateway.namespace
        written = [
            f"{own}/{each[2:]}" if each.startswith("./") else each for each in self.server.hosts
        ]
        return [each.lower() for each in for_namespace(written, namespace)]

    @property
    def names(self) -> list[str]:
        """Return the names by which TLS clients ask for it."""
        return list(dict.fromkeys(each.rpartition("/")[2] for each in self.server.hosts))


@dataclass(slots=True, kw_only=True)
class Opened:
    """One address and port of a gateway pod."""

    bind: str
    port: int
    servers: list[Served] = field(default_factory=list)

    @property
    def plain(self) -> bool:
        """Say whether its connections are plain text."""
        return self.servers[0].plain


@dataclass(slots=True, kw_only=True)
class Opening:
    """All that a gateway pod opens, and what there was no room for."""

    opened: dict[tuple[int, str], Opened] = field(default_factory=dict)
    """By port and address."""
    rejected: list[tuple[Served, Served]] = field(default_factory=list)
    """Servers, each with the older one that stands in its way."""

    def by_route(self) -> dict[str, list[Served]]:
        """Return the servers that share a route configuration, by its name."""
        found: dict[str, list[Served]] = {}
        for key in sorted(self.opened):
            for each in self.opened[key].servers:
                if each.route:
                    found.setdefault(each.route, []).append(each)
        return found


def opening(mesh: Mesh, pod: Pod) -> Opening:
    """Return the servers of all Gateways that select the pod; the oldest wins a port."""
    found = Opening()
    named: dict[int, dict[tuple[str, str], Served]] = {}
    for served in _servers(mesh, pod):
        taken = named.setdefault(served.port, {})
        bind = served.server.bind or UNSPECIFIED
        if served.server.tls is not None:
            wanted = [(bind, host) for host in served.server.hosts]
            if any(each in taken for each in wanted):
                first = next(taken[each] for each in wanted if each in taken)
                found.rejected.append((served, first))
                continue
            taken.update(dict.fromkeys(wanted, served))
        _open(found, served, bind)
    return found


def _open(found: Opening, served: Served, bind: str) -> None:
    key = (served.port, bind)
    opened = found.opened.get(key)
    if opened is None:
        found.opened[key] = Opened(bind=bind, port=served.port, servers=[served])
        return
    first = opened.servers[0]
    if opened.plain:
        fits = first.protocol.http and served.protocol.http
    else:
        fits = served.server.tls is not None and not served.protocol.http
        fits = fits and all(not each.route or each.route != served.route for each in opened.servers)
    if fits:
        opened.servers.append(served)
    else:
        found.rejected.append((served, first))


def _servers(mesh: Mesh, pod: Pod) -> Iterator[Served]:
    known = list(targets(mesh, pod))
    for source in sorted(mesh.manifests.of("Gateway"), key=age):
        before = services_named(source)
        if before is not None:
            home = source.annotations.get(_OF_PARENT, source.namespace)
            chosen = [
                each
                for each in known
                if each.service.hostname in before and each.service.namespace == home
            ]
        elif source.spec.selector and not selects(source.spec.selector, pod.labels):
            continue
        else:
            chosen = known
        for index, server in enumerate(source.spec.servers):
            for port in _ports(server.port.number, chosen, named=before is not None):
                at = f"spec.servers[{index}]"
                yield Served(gateway=source, server=server, at=at, port=port)


def services_named(gateway: Object) -> frozenset[str] | None:
    """Return the hosts of the services that a Gateway names, in place of a selector."""
    named = gateway.annotations.get(_OF_SERVICES)
    if named is None:
        return None
    return frozenset(each.strip() for each in named.split(","))


def _ports(number: int, known: list[Target], *, named: bool) -> list[int]:
    """Return the pod's ports that a Gateway's port means.

    A Gateway that names its services has no port but theirs; one that selects pods has
    the first service's, or else the number itself.
    """
    found = [
        each.number
        for each in known
        if each.port.number == number and (named or _NO_TRANSLATION not in each.service.labels)
    ]
    if named:
        return sorted(set(found))
    return found[:1] or [number]
