"""Objects of Gateway API that are not accepted, or refer to what there is not.

Their status says so in a cluster; here it is said of the field that is to blame.

Follows   istio pilot/pkg/config/kube/gateway (conditions of Gateways, routes, policies)
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence

from simulator.config.gateway_api import GROUP
from simulator.config.kinds import KUBERNETES_GATEWAY
from simulator.config.objects import Object
from simulator.diagnostics import Diagnostic
from simulator.istiod.analysis.report import report
from simulator.istiod.gateway_api import Condition, Status
from simulator.istiod.gateway_api.classes import controllers
from simulator.istiod.registry import Mesh

_ROUTES = ("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute")
_PARENTS = {"Gateway": KUBERNETES_GATEWAY, "ListenerSet": "ListenerSet"}
_CODES = {"Accepted": "gateway-api-not-accepted", "ResolvedRefs": "gateway-api-unresolved"}
_MEANT = frozenset({"IgnoredByIstio"})


def classes(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0101 for Gateways of a class that there is not."""
    known = {
        *controllers(mesh.manifests),
        *(each.name for each in mesh.manifests.of("GatewayClass")),
    }
    for source in mesh.manifests.of(KUBERNETES_GATEWAY):
        name = source.spec.gateway_class_name
        if name not in known:
            advice = _advice(name, known, "write istio, or add the GatewayClass")
            field = "spec.gatewayClassName"
            yield report("IST0101", source, field, what="GatewayClass", name=name, advice=advice)


def parents(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0101 for parents of routes that there are not: no status speaks of them."""
    for kind in _ROUTES:
        for source in mesh.manifests.of(kind):
            for at, each in enumerate(source.spec.parent_refs):
                if each.group != GROUP or each.kind not in _PARENTS:
                    continue
                home = each.namespace or source.namespace
                found = {
                    one.name
                    for one in mesh.manifests.of(_PARENTS[each.kind])
                    if one.namespace == home
                }
                if each.name not in found:
                    advice = _advice(each.name, found, "give its namespace, if it has another one")
                    yield report(
                        "IST0101", source, f"spec.parentRefs[{at}].name",
                        what=each.kind, name=f"{home}/{each.name}", advice=advice,
                    )  # fmt: skip


def _advice(name: str, known: Iterable[str], otherwise: str) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"did you mean {near[0]}?" if near else otherwise


def conditions(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield a finding for each condition that does not hold, unless it follows from another."""
    for status in mesh.statuses:
        yield from dict.fromkeys(_of_parts(status) or _of_whole(status))


def _of_parts(status: Status) -> list[Diagnostic]:
    """Return what is said of listeners, and by parents: the whole object only repeats it."""
    source = status.source
    places = {
        each.name: f"spec.listeners[{at}]"
        for at, each in enumerate(getattr(source.spec, "listeners", ()))
    }
    found: list[Diagnostic] = []
    for listener in status.listeners:
        if listener.name in places:
            by = f"the listener {listener.name}"
            found += _missing(source, listener.conditions, by, places[listener.name])
    for parent in status.parents:
        by = f"{parent.reference.kind} {parent.reference.name}"
        found += _missing(source, parent.conditions, by, parent.field or "spec")
    return found


def _of_whole(status: Status) -> list[Diagnostic]:
    return list(_missing(status.source, status.conditions, "istiod", "spec"))


def _missing(
    source: Object, said: Sequence[Condition], by: str, place: str
) -> Iterator[Diagnostic]:
    false = [each for each in said if not each.status and each.reason not in _MEANT]
    first = [each for each in false if each.type in _CODES]
    # That it is not programmed is news only where nothing else is wrong.
    for each in first or [one for one in false if one.type == "Programmed"]:
        code = _CODES.get(each.type, _CODES["Accepted"])
        yield report(code, source, each.field or place, by=by, why=each.message, reason=each.reason)
