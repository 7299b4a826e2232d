"""What Gateway API's own conformance tests ask of statuses."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from simulator.istiod.gateway_api.status import Condition
from tests.conformance.gateway_suite import Suite


def check_status(suite: Suite, step: Mapping[str, Any]) -> str | None:
    name, args = step["check"], step["args"]
    if name.endswith("MustHaveLatestConditions"):
        # What is computed anew is never stale; it only has to be said.
        kind = name.removesuffix("MustHaveLatestConditions")
        kind = "KubernetesGateway" if kind == "Gateway" else kind
        status = suite.status(kind, args[0])
        return None if status.conditions or status.parents else "nothing is said"
    check = _STATUS_CHECKS.get(name)
    if check is not None:
        result: str | None = check(suite, args)
        return result
    accepted = re.fullmatch(r"GatewayAnd(\w+)sMustBeAccepted", name)
    if accepted:
        routes = [each for each in args[1:] if isinstance(each, str)]
        kinds = ("HTTPRoute", "GRPCRoute") if accepted[1] == "Route" else (accepted[1],)
        return _accepted(suite, kinds, args[0]["gateway"], routes)
    resolved = re.fullmatch(r"(\w+Route)MustHaveResolvedRefsConditionsTrue", name)
    if resolved:
        want = {"Type": "ResolvedRefs", "Status": "True"}
        return _parent_condition(suite, resolved[1], args[0], args[1], want)
    one = re.fullmatch(r"(\w+Route|BackendTLSPolicy)MustHaveCondition", name)
    if one:
        return _parent_condition(suite, one[1], *args)
    none = re.fullmatch(r"(\w+Route)MustHaveNoAcceptedParents", name)
    if none:
        status = suite.status(none[1], args[0])
        said = [each for parent in status.parents for each in parent.conditions]
        held = [each for each in said if each.type == "Accepted" and each.status]
        return f"accepted: {held}" if held else None
    return f"what {name} means is not known"


def _accepted(suite: Suite, kinds: Any, parent: str, routes: Any) -> str | None:
    for route in routes:
        status = None
        for kind in kinds:
            try:
                status = suite.status(kind, route)
            except LookupError:
                continue
        if status is None:
            return f"nothing is said of {route}"
        want = {"Type": "Accepted", "Status": "True"}
        reason = _parent_condition(suite, status.source.type, route, parent, want)
        if reason:
            return reason
    return None


def _parent_condition(
    suite: Suite, kind: str, reference: str, parent: str, want: Mapping[str, str]
) -> str | None:
    status = suite.status(kind, reference)
    namespace, _, name = parent.partition("/")
    said: list[Condition] = []
    for each in status.parents:
        home = each.reference.namespace or status.source.namespace
        if (home, each.reference.name) == (namespace, name):
            if not _missing(each.conditions, [want]):
                return None
            said += each.conditions
    return f"{reference} of {parent}: expected {dict(want)}, said {_brief(said)}"


def _missing(conditions: Any, wanted: Any) -> list[Any]:
    return [
        want
        for want in wanted
        if not any(
            each.type == want["Type"]
            and str(each.status) == want["Status"]
            and want.get("Reason") in (None, "", each.reason)
            for each in conditions
        )
    ]


def _brief(conditions: Any) -> list[str]:
    return [f"{each.type}={each.status}/{each.reason}" for each in conditions]


def _own_condition(kind: str, suite: Suite, args: Any) -> str | None:
    status = suite.status(kind, args[0])
    missing = _missing(status.conditions, [args[1]])
    return f"expected {missing}, said {_brief(status.conditions)}" if missing else None


def _listener_conditions(kind: str, suite: Suite, reference: str, name: str, want: Any) -> Any:
    for each in suite.status(kind, reference).listeners:
        if name in ("", each.name):
            missing = _missing(each.conditions, want)
            if missing:
                return f"{each.name}: expected {missing}, said {_brief(each.conditions)}"
    return None


def _listeners(kind: str, suite: Suite, args: Any) -> str | None:
    found = {each.name: each for each in suite.status(kind, args[0]).listeners}
    for want in args[1]:
        each = found.get(want["Name"])
        if each is None:
            return f"nothing is said of {want['Name']}"
        missing = _missing(each.conditions, want.get("Conditions") or ())
        if missing:
            return f"{each.name}: expected {missing}, said {_brief(each.conditions)}"
        if each.attached != want.get("AttachedRoutes", 0):
            return f"{each.name}: {each.attached} attached, expected {want.get('AttachedRoutes')}"
        # An implementation may take more kinds than the suite knows of.
        kinds = {one["Kind"] for one in want.get("SupportedKinds") or ()}
        if not kinds <= set(each.kinds):
            return f"{each.name}: takes {each.kinds}, expected {kinds}"
    return None


def _zero_routes(suite: Suite, args: Any) -> str | None:
    attached = [each.attached for each in suite.status("KubernetesGateway", args[0]).listeners]
    return f"{attached} routes are attached" if any(attached) else None


def _attached_sets(suite: Suite, args: Any) -> str | None:
    found = suite.status("KubernetesGateway", args[0]).attached_sets
    return None if found == args[1] else f"{found} ListenerSets are attached, expected {args[1]}"


def _routes_and_parent(suite: Suite, args: Any) -> str | None:
    name = args[0]["NamespacedName"]
    parent = f"{name['Namespace']}/{name['Name']}"
    routes = [each for each in args[1:] if isinstance(each, str)]
    return _accepted(suite, ("HTTPRoute", "GRPCRoute"), parent, routes)


_GATEWAY = "KubernetesGateway"
_STATUS_CHECKS: dict[str, Callable[[Suite, Any], str | None]] = {
    "GatewayMustHaveCondition": partial(_own_condition, _GATEWAY),
    "GatewayClassMustHaveCondition": partial(_own_condition, "GatewayClass"),
    "ListenerSetMustHaveCondition": partial(_own_condition, "ListenerSet"),
    "GatewayListenerMustHaveConditions": lambda suite, args: _listener_conditions(
        _GATEWAY, suite, *args
    ),
    "GatewayListenersMustHaveConditions": lambda suite, args: _listener_conditions(
        _GATEWAY, suite, args[0], args[2] if len(args) > 2 else "", args[1]
    ),
    "ListenerSetListenersMustHaveConditions": lambda suite, args: _listener_conditions(
        "ListenerSet", suite, args[0], args[2] if len(args) > 2 else "", args[1]
    ),
    "GatewayStatusMustHaveListeners": partial(_listeners, _GATEWAY),
    "ListenerSetStatusMustHaveListeners": partial(_listeners, "ListenerSet"),
    "GatewayMustHaveAttachedListeners": _attached_sets,
    "GatewayMustHaveZeroRoutes": _zero_routes,
    "RoutesAndParentMustBeAccepted": _routes_and_parent,
}
