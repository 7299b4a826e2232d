"""What one proxy gets to see: services, VirtualServices, the DestinationRule that wins.

Follows   istio pilot/pkg/model/sidecar.go, push_context.go
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from simulator.config.istio import Destination, IstioEgressListener
from simulator.config.objects import Object
from simulator.istiod import names
from simulator.istiod.destination_rule import Rule
from simulator.istiod.part import Part
from simulator.istiod.protocol import Protocol, parse
from simulator.istiod.registry import Mesh, Pod, Service
from simulator.istiod.service import Resolution, by_host
from simulator.istiod.services import selects
from simulator.istiod.virtual_service import VirtualService, age, visible

_EVERYTHING = ("*/*",)


@dataclass(frozen=True, kw_only=True)
class Egress:
    """What a sidecar sees through one egress listener; by default there is one for everything."""

    listener: IstioEgressListener | None = None
    at: str = ""
    services: tuple[Service, ...]
    """Oldest first. All of a host are from one namespace."""
    virtual_services: tuple[VirtualService, ...]
    """Those for the mesh; they win in this order."""

    @property
    def port(self) -> int:
        """Return the one port that it is for, or 0 for all that are left."""
        given = self.listener.port if self.listener is not None else None
        return given.number if given is not None else 0

    @cached_property
    def aliases(self) -> dict[str, list[str]]:
        """Return the ExternalName services' hosts, by the host that they stand for."""
        found: dict[str, list[str]] = {}
        for each in self.services:
            if each.resolution is Resolution.ALIAS:
                found.setdefault(each.external_name, []).append(each.hostname)
        return found

    @cached_property
    def _by_host(self) -> tuple[dict[str, list[int]], list[int]]:
        exact: dict[str, list[int]] = {}
        wild: list[int] = []
        for at, each in enumerate(self.virtual_services):
            for host in each.hosts:
                if names.is_wildcard(host):
                    wild.append(at)
                else:
                    exact.setdefault(host, []).append(at)
        return exact, wild

    def concerning(self, host: str) -> list[VirtualService]:
        """Return the VirtualServices with a host that has a name in common with this one."""
        exact, wild = self._by_host
        if names.is_wildcard(host):
            found = set(range(len(self.virtual_services)))
        else:
            found = {*exact.get(host, ()), *wild}
        chosen = (self.virtual_services[at] for at in sorted(found))
        return [each for each in chosen if any(names.matches(one, host) for one in each.hosts)]


@dataclass(slots=True, kw_only=True)
class Scope:
    """A proxy's view of the mesh."""

    mesh: Mesh
    pod: Pod
    sidecar: Object | None
    """The Sidecar resource that holds for it."""
    egress: tuple[Egress, ...]
    """Those for one port come first."""
    services: dict[str, Service]
    """All that it sees, by host."""
    virtual_services: tuple[VirtualService, ...]
    """All that it may see, whatever gateway they are for; they win in this order."""
    allow_any: bool
    """Whether traffic to hosts that the mesh does not know is let out."""
    virtual_hosts: dict[int, list[Part]] = field(default_factory=dict)
    """What was written for each port: several route configurations may ask for the same."""
    _found: dict[str, Rule | None] = field(default_factory=dict)

    def destination_rule(self, host: str) -> Rule | None:
        """Return the rule for traffic to a host; None for a host that it does not see."""
        service = self.services.get(host)
        if service is None:
            return None
        if host not in self._found:
            self._found[host] = self.mesh.destination_rules.find(
                service, self.pod.namespace, self.pod.labels
            )
        return self._found[host]

    def of_gateway(self, gateway: str) -> tuple[VirtualService, ...]:
        """Return the VirtualServices for a Gateway's NAMESPACE/NAME."""
        return tuple(each for each in self.virtual_services if gateway in each.gateways)

    def egress_of(self, port: int) -> Egress:
        """Return what is seen through a port."""
        return next(
            (each for each in self.egress if each.port in {0, port}),
            Egress(services=(), virtual_services=()),
        )


def scope(mesh: Mesh, pod: Pod) -> Scope:
    """Return what a pod's proxy sees."""
    sidecar = None if pod.gateway else _sidecar(mesh, pod)
    services = tuple(
        each
        for each in mesh.registered
        if "~" not in each.exported_to and visible(each.exported_to, each.namespace, pod.namespace)
    )
    virtual_services = _visible(mesh.virtual_services, pod.namespace)
    windows = tuple(_egress(sidecar, pod, virtual_services, services))
    policy: Any = mesh.config.outbound_traffic_policy
    if sidecar is not None:
        policy = sidecar.spec.outbound_traffic_policy or policy
    return Scope(
        mesh=mesh,
        pod=pod,
        sidecar=sidecar,
        egress=windows,
        services=by_host(_imported(windows, services, pod.namespace)),
        virtual_services=virtual_services,
        allow_any=policy.mode != "REGISTRY_ONLY",
    )


def _visible(found: Iterable[VirtualService], namespace: str) -> tuple[VirtualService, ...]:
    def audience(each: VirtualService) -> int:
        if not each.exported_to or "*" in each.exported_to:
            # A route of the client's own namespace wins over the service's.
            return 2 if each.gateway_semantics and each.namespace == namespace else 3
        return 0 if "." in each.exported_to else 1

    seen = [each for each in found if each.visible_from(namespace)]
    return tuple(sorted(seen, key=audience))


def _sidecar(mesh: Mesh, pod: Pod) -> Object | None:
    found = sorted(mesh.manifests.of("Sidecar"), key=age)
    own = [each for each in found if each.namespace == pod.namespace]
    for each in own:
        selector = each.spec.workload_selector
        if selector is not None and selects(dict(selector.labels or {}), pod.labels):
            return each
    root = [each for each in found if each.namespace == names.ROOT_NAMESPACE]
    return next((each for each in (*own, *root) if each.spec.workload_selector is None), None)


def _egress(
    sidecar: Object | None,
    pod: Pod,
    virtual_services: tuple[VirtualService, ...],
    services: tuple[Service, ...],
) -> Iterator[Egress]:
    routed = tuple(each for each in virtual_services if names.MESH_GATEWAY in each.gateways)
    listeners = sidecar.spec.egress if sidecar is not None else ()
    if not listeners:
        yield Egress(
            services=tuple(_of_one_namespace(services, pod.namespace)), virtual_services=routed
        )
    for index, listener in enumerate(listeners):
        hosts = _Hosts(listener.hosts, pod.namespace)
        taken = [
            narrowed
            for each in services
            if hosts.take(each.namespace, each.hostname)
            and (narrowed := _narrowed(each, listener)) is not None
        ]
        yield Egress(
            listener=listener,
            at=f"spec.egress[{index}]",
            services=tuple(_of_one_namespace(taken, pod.namespace)),
            virtual_services=tuple(
                each
                for each in routed
                if any(hosts.meet(each.namespace, host) for host in each.hosts)
            ),
        )


class _Hosts:
    """The hosts of an egress listener, as NAMESPACE/HOST."""

    def __init__(self, written: Iterable[str], namespace: str) -> None:
        self._wanted: list[tuple[str, str]] = []
        self._kept_out: list[str] = []
        for each in written:
            home, _, host = each.partition("/")
            if home == "~":
                self._kept_out.append(host)
            else:
                self._wanted.append((namespace if home == "." else home, host))

    def take(self, namespace: str, host: str) -> bool:
        """Say whether a service's whole host is among them."""
        return not self._refuse(host) and any(
            home in {"*", namespace} and names.subset_of(host, wanted)
            for home, wanted in self._wanted
        )

    def meet(self, namespace: str, host: str) -> bool:
        """Say whether a VirtualService's host has a name in common with them."""
        return not self._refuse(host) and any(
            home in {"*", namespace} and names.matches(host, wanted)
            for home, wanted in self._wanted
        )

    def _refuse(self, host: str) -> bool:
        return any(each != "*" and names.subset_of(host, each) for each in self._kept_out)


def _narrowed(service: Service, listener: IstioEgressListener) -> Service | None:
    """Return a service with the listener's port alone; None if it lacks the port."""
    port = listener.port
    if port is None or not port.number or parse(port.protocol) is Protocol.HTTP_PROXY:
        return service
    return service.narrowed(port.number)


def _of_one_namespace(services: Iterable[Service], namespace: str) -> Iterator[Service]:
    """Yield the services of one namespace for each host: the proxy's own, else the oldest's."""
    known = tuple(services)
    homes: dict[str, Service] = {}
    for each in known:
        first = homes.setdefault(each.hostname, each)
        if each.namespace == namespace or (
            each.kubernetes and not first.kubernetes and first.namespace != namespace
        ):
            homes[each.hostname] = each
    for each in known:
        if each.namespace == homes[each.hostname].namespace:
            yield each


def _imported(
    windows: tuple[Egress, ...], services: tuple[Service, ...], namespace: str
) -> Iterator[Service]:
    """Yield all that is seen: what listeners name, then what their VirtualServices lead to."""
    for window in windows:
        yield from window.services
    if all(window.listener is None for window in windows):
        return
    by_name: dict[str, list[Service]] = {}
    for each in services:
        by_name.setdefault(each.hostname, []).append(each)
    for window in windows:
        for host, ports in _destinations(window).items():
            known = by_name.get(host)
            if not known:
                continue
            own = [each for each in known if each.namespace == namespace]
            found = own[0] if own else min(known, key=lambda one: one.namespace)
            if window.port:
                narrowed = found.narrowed(window.port)
                if narrowed is not None:
                    yield narrowed
            elif 0 in ports or not ports:
                yield found
            else:
                kept = tuple(port for port in found.ports if port.number in ports)
                if kept:
                    yield replace(found, ports=kept)


def _destinations(window: Egress) -> dict[str, set[int]]:
    """Return the hosts that VirtualServices lead to, with the ports; 0 is any."""
    found: dict[str, set[int]] = {}
    for each in window.virtual_services:
        spec = each.source.spec
        targets: list[tuple[Destination, Object]] = []
        for rule in each.rules:
            mirrors = [one.destination for one in rule.spec.mirrors or ()]
            mirrors += [rule.spec.mirror] if rule.spec.mirror is not None else []
            routed = [one.destination for one in rule.spec.route]
            targets += [(one, rule.source) for one in (*routed, *mirrors)]
        targets += [
            (target.destination, each.source)
            for rule in (*spec.tcp, *spec.tls)
            for target in rule.route
        ]
        for destination, source in targets:
            host = names.resolve(destination.host, source.namespace)
            port = destination.port.number if destination.port is not None else 0
            found.setdefault(host, set()).add(port)
    return found
