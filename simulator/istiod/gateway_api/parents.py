"""Decide which parents a route is attached to, and say why it is not to others.

Follows   istio pilot/pkg/config/kube/gateway/conversion.go (extractParentReferenceInfo,
          referenceAllowed, hostnameAllowedByIsolation), conditions.go (createRouteStatus)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from simulator.config.gateway_api import GROUP
from simulator.config.gateway_api.values import ParentReference
from simulator.config.kinds import KUBERNETES_GATEWAY
from simulator.config.objects import Object
from simulator.istiod import names
from simulator.istiod.gateway_api.classes import foreign_waypoint
from simulator.istiod.gateway_api.listeners import Bound
from simulator.istiod.gateway_api.references import World
from simulator.istiod.gateway_api.status import (
    GATEWAY_CONTROLLER,
    Fault,
    ParentStatus,
    Reference,
    condition,
)

_RANKED = ("NotAllowedByListeners", "NoMatchingListenerHostname", "NoMatchingParent")
"""Of several listeners' reasons, the one that is told."""
_MESH = {("", "Service"): "Service", ("networking.istio.io", "ServiceEntry"): "ServiceEntry"}
_LISTENING = {(GROUP, "Gateway"): KUBERNETES_GATEWAY, (GROUP, "ListenerSet"): "ListenerSet"}

Listeners = Mapping[tuple[str, str, str], Sequence[Bound]]
"""By the type, namespace and name of the Gateway or ListenerSet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A route and one listener, or one service, that it may be attached to."""

    reference: ParentReference
    at: str
    bound: Bound | None
    """None in the mesh."""
    service: Object | None = None
    siblings: tuple[Bound, ...] = ()
    """The other listeners of the same port and protocol."""
    denied: Fault | None = None

    @property
    def mesh(self) -> bool:
        """Say whether it is about calls within the mesh."""
        return self.bound is None

    @property
    def internal(self) -> str:
        """Return the parent as VirtualServices name it."""
        return names.MESH_GATEWAY if self.bound is None else self.bound.internal

    def isolated(self, host: str) -> bool:
        """Say whether another listener, of a nearer host name, has a route's host for itself."""
        assert self.bound is not None
        own = self.bound.hostname
        if own and not names.is_wildcard(own):
            return False
        if own and not names.matches(host, own):
            return True
        return any(
            each.hostname != own
            and len(own) <= len(each.hostname)
            and names.subset_of(host, each.hostname)
            for each in self.siblings
            if each.hostname
        )


def attachments(world: World, route: Object, listeners: Listeners) -> list[Attachment]:
    """Return every pair of a route and a parent's listener that the route asks for."""
    found: list[Attachment] = []
    for index, reference in enumerate(route.spec.parent_refs):
        at = f"spec.parentRefs[{index}]"
        kind = (reference.group, reference.kind)
        namespace = reference.namespace or route.namespace
        if kind in _MESH:
            service = world.named(_MESH[kind], namespace, reference.name)
            if service is not None and foreign_waypoint(world.manifests, service):
                continue
            denied = None
            if service is None:
                message = f"there is no {reference.kind} {namespace}/{reference.name}"
                denied = Fault("NoMatchingParent", message, at)
            found.append(
                Attachment(reference=reference, at=at, bound=None, service=service, denied=denied)
            )
        elif kind in _LISTENING:
            bounds = listeners.get((_LISTENING[kind], namespace, reference.name), ())
            found += [_attachment(route, reference, at, each, bounds) for each in bounds]
    return found


def _attachment(
    route: Object, reference: ParentReference, at: str, bound: Bound, bounds: Sequence[Bound]
) -> Attachment:
    siblings = tuple(
        each
        for each in bounds
        if each is not bound
        and each.listener.port == bound.listener.port
        and each.listener.protocol == bound.listener.protocol
    )
    return Attachment(
        reference=reference,
        at=at,
        bound=bound,
        siblings=siblings,
        denied=_denied(route, reference, at, bound),
    )


def _denied(route: Object, reference: ParentReference, at: str, bound: Bound) -> Fault | None:
    listener = bound.listener
    owner = f"{bound.source.kind} {bound.source.namespace}/{bound.source.name}"
    if reference.port is not None and reference.port != listener.port:
        message = f"{owner} has no listener on port {reference.port}"
        return Fault("NoMatchingParent", message, f"{at}.port")
    if reference.section_name is not None and reference.section_name != listener.name:
        message = f"{owner} has no listener called {reference.section_name}"
        return Fault("NoMatchingParent", message, f"{at}.sectionName")
    hosts = getattr(route.spec, "hostnames", ()) or ("*",)
    served = [each.partition("/")[::2] for each in bound.server.hosts]
    common = [home for home, host in served if any(names.matches(host, each) for each in hosts)]
    if served and not common:
        message = f"no host name of the route is one of the listener's, {bound.hostname or '*'}"
        return Fault("NoMatchingListenerHostname", message, "spec.hostnames")
    if served and not {"*", route.namespace} & set(common):
        message = (
            f"the listener {listener.name} of {owner} takes no routes of the namespace "
            f"{route.namespace}"
        )
        return Fault("NotAllowedByListeners", message, at)
    if route.kind not in bound.kinds:
        taken = " and ".join(bound.kinds) or "no routes at all"
        message = f"the listener {listener.name} of {owner} takes {taken}"
        return Fault("NotAllowedByListeners", message, at)
    return None


def statuses(
    found: Sequence[Attachment], faults: Mapping[bool, Fault | None]
) -> tuple[ParentStatus, ...]:
    """Return what each parent makes of a route; `faults` of its rules, by whether in the mesh."""
    by_reference: dict[str, list[Attachment]] = {}
    for each in found:
        by_reference.setdefault(each.at, []).append(each)
    return tuple(
        ParentStatus(
            reference=_reference(group[0].reference),
            controller=GATEWAY_CONTROLLER,
            conditions=(
                condition("Accepted", _foremost(group)),
                condition("ResolvedRefs", faults.get(group[0].mesh)),
            ),
            field=at,
        )
        for at, group in by_reference.items()
    )


def _foremost(group: Sequence[Attachment]) -> Fault | None:
    """Return why no listener of a parent takes the route; None if any does."""
    denied = [each.denied for each in group]
    if None in denied:
        return None
    given = [each for each in denied if each is not None]
    return min(given, key=lambda each: _RANKED.index(each.reason))


def _reference(parent: ParentReference) -> Reference:
    return Reference(
        group=parent.group,
        kind=parent.kind,
        name=parent.name,
        namespace=parent.namespace or "",
        section=parent.section_name or "",
        port=parent.port or 0,
    )
