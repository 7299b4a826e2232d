"""What istiod says of a Gateway API object: conditions, by listener and by parent.

Reasons are the API's; messages are ours.

Follows   gateway-api apis/v1 (condition types and reasons)
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.config.gateway_api import GROUP
from simulator.config.objects import Object

GATEWAY_CONTROLLER = "istio.io/gateway-controller"
MESH_CONTROLLER = "istio.io/mesh-controller"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why something is not as it was asked for."""

    reason: str
    message: str
    field: str = ""
    """Where, in the object that it is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One statement; `status` says whether it holds."""

    type: str
    status: bool
    reason: str
    message: str
    field: str = ""
    """Where the fault is, if it is one."""


def condition(
    type_: str, fault: Fault | None, *, reason: str = "", message: str = "as it should be"
) -> Condition:
    """Return the condition that holds unless there is a fault; its usual reason is its name."""
    if fault is None:
        return Condition(type=type_, status=True, reason=reason or type_, message=message)
    return Condition(
        type=type_, status=False, reason=fault.reason, message=fault.message, field=fault.field
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An object that a status speaks of."""

    kind: str
    name: str
    group: str = GROUP
    namespace: str = ""
    section: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerStatus:
    """What there is to say of one listener."""

    name: str
    kinds: tuple[str, ...]
    """The kinds of routes that it takes."""
    conditions: tuple[Condition, ...]
    attached: int = 0
    """How many routes are attached to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentStatus:
    """What one parent of a route, or one ancestor of a policy, makes of it."""

    reference: Reference
    controller: str
    conditions: tuple[Condition, ...]
    field: str = ""
    """Such as `spec.parentRefs[0]`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The status of one object."""

    source: Object
    conditions: tuple[Condition, ...] = ()
    listeners: tuple[ListenerStatus, ...] = ()
    parents: tuple[ParentStatus, ...] = ()
    """Of a route; a policy's ancestors."""
    addresses: tuple[str, ...] = ()
    attached_sets: int = 0
    """How many ListenerSets add to a Gateway."""
