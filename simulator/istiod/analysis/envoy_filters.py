"""EnvoyFilters: patches that have no effect, or another one once filters are moved.

Follows   istio pkg/config/analysis/analyzers/envoyfilter/envoyfilter.go
"""

from __future__ import annotations

from collections.abc import Iterator

from simulator.config.istio import EnvoyConfigObjectPatch
from simulator.config.objects import Object
from simulator.diagnostics import Diagnostic
from simulator.istiod.analysis.report import report
from simulator.istiod.registry import Mesh

_ROUTES = frozenset({"ROUTE_CONFIGURATION", "HTTP_ROUTE"})
_FILTERS = frozenset({"NETWORK_FILTER", "HTTP_FILTER"})


def patches(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0151 to IST0155 for patches whose operation does not fit, or is relative."""
    versioned: set[str] = set()
    for source in mesh.manifests.of("EnvoyFilter"):
        for at, each in enumerate(source.spec.config_patches):
            if each.patch is None:
                break
            code = _misfit(source, each, versioned)
            if code:
                place = f"spec.configPatches[{at}]"
                operation, to = each.patch.operation, each.apply_to
                yield report(code, source, place, operation=operation, apply_to=to)
            proxy = each.match.proxy if each.match is not None else None
            if proxy is not None and proxy.proxy_version:
                versioned.add(_name(each))


def _misfit(source: Object, each: EnvoyConfigObjectPatch, versioned: set[str]) -> str:
    assert each.patch is not None
    operation = each.patch.operation
    if operation == "ADD":
        return "IST0153" if each.apply_to in _ROUTES else ""
    if operation == "REMOVE" and each.apply_to in _ROUTES:
        return "IST0154"
    if operation == "REPLACE" and each.apply_to not in _FILTERS:
        return "IST0152"
    relative = operation in {"REMOVE", "REPLACE", "INSERT_BEFORE", "INSERT_AFTER"}
    if not relative or source.spec.priority:
        return ""
    return "IST0155" if _name(each) in versioned else "IST0151"


def _name(each: EnvoyConfigObjectPatch) -> str:
    """Return the name of the filter that a patch is about."""
    value = each.patch.value if each.patch is not None else None
    if value is None:
        return ""
    if "name" in value:
        return str(value["name"])
    listener = each.match.listener if each.match is not None else None
    chain = listener.filter_chain if listener is not None else None
    return chain.filter.name if chain is not None and chain.filter is not None else ""
