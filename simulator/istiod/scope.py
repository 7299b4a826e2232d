"""What one proxy gets to see: services, VirtualServices, the DestinationRule that wins.

Follows   istio pilot/pkg/model/sidecar.go, push_context.go
Leaves    listeners of a Sidecar's own (docs/fidelity.md#sidecar-listeners)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from simulator.config.objects import Object
from simulator.istiod import names
from simulator.istiod.destination_rule import Rule, find
from simulator.istiod.registry import Mesh, Pod, Service
from simulator.istiod.services import selects
from simulator.istiod.virtual_service import VirtualService, age, visible

_EVERYTHING = ("*/*",)


@dataclass(slots=True, kw_only=True)
class Scope:
    """A proxy's view of the mesh."""

    mesh: Mesh
    pod: Pod
    sidecar: Object | None
    """The Sidecar resource that holds for it."""
    services: dict[str, Service]
    virtual_services: tuple[VirtualService, ...]
    """All that it may see, whatever gateway they are for; they win in this order."""
    rules: tuple[Rule, ...]
    allow_any: bool
    """Whether traffic to hosts that the mesh does not know is let out."""
    _found: dict[str, Rule | None] = field(default_factory=dict)

    def destination_rule(self, host: str) -> Rule | None:
        """Return the rule for traffic to a host; None for a host that it does not see."""
        service = self.services.get(host)
        if service is None:
            return None
        if host not in self._found:
            self._found[host] = find(self.rules, service, self.pod.namespace, self.pod.labels)
        return self._found[host]

    def of_gateway(self, gateway: str) -> tuple[VirtualService, ...]:
        """Return the VirtualServices for `mesh` or for a Gateway's NAMESPACE/NAME."""
        return tuple(each for each in self.virtual_services if gateway in each.gateways)


def scope(mesh: Mesh, pod: Pod) -> Scope:
    """Return what a pod's proxy sees."""
    sidecar = None if pod.gateway else _sidecar(mesh, pod)
    services = {
        host: each
        for host, each in mesh.services.items()
        if "~" not in each.exported_to and visible(each.exported_to, each.namespace, pod.namespace)
    }
    virtual_services = _visible(mesh.virtual_services, pod.namespace)
    policy: Any = mesh.config.outbound_traffic_policy
    if sidecar is not None:
        virtual_services, services = _imported(sidecar, pod, virtual_services, services)
        policy = sidecar.spec.outbound_traffic_policy or policy
    return Scope(
        mesh=mesh,
        pod=pod,
        sidecar=sidecar,
        services=services,
        virtual_services=virtual_services,
        rules=mesh.destination_rules,
        allow_any=policy.mode != "REGISTRY_ONLY",
    )


def _visible(found: Iterable[VirtualService], namespace: str) -> tuple[VirtualService, ...]:
    def audience(each: VirtualService) -> int:
        if not each.exported_to or "*" in each.exported_to:
            return 2
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


def _imported(
    sidecar: Object,
    pod: Pod,
    virtual_services: tuple[VirtualService, ...],
    services: dict[str, Service],
) -> tuple[tuple[VirtualService, ...], dict[str, Service]]:
    hosts = [
        host for listener in sidecar.spec.egress or () for host in listener.hosts or _EVERYTHING
    ] or list(_EVERYTHING)

    def takes(namespace: str, host: str) -> bool:
        for wanted in hosts:
            home, _, pattern = wanted.partition("/")
            home = pod.namespace if home == "." else home
            if home in {"*", namespace} and names.matches(pattern, host):
                return True
        return False

    routed = tuple(
        each
        for each in virtual_services
        if names.MESH_GATEWAY in each.gateways
        and any(takes(each.namespace, host) for host in each.hosts)
    )
    needed = {
        names.resolve(target.destination.host, rule.source.namespace)
        for each in routed
        for rule in each.rules
        for target in rule.spec.route or ()
    }
    return routed, {
        host: each
        for host, each in services.items()
        if takes(each.namespace, host) or host in needed
    }
