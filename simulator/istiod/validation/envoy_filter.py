"""EnvoyFilters.

Follows   istio pkg/config/validation/envoyfilter/envoyfilter.go, pkg/config/xds/xds.go
"""

from __future__ import annotations

from simulator.config.istio import (
    EnvoyConfigObjectPatch,
    EnvoyFilter,
    ListenerMatch,
    Patch,
)
from simulator.config.objects import Object
from simulator.envoy_api import SchemaError, parse
from simulator.istiod.validation import syntax
from simulator.istiod.validation.fault import Fault, Faults, fault
from simulator.istiod.validation.reach import selector

HTTP_CONNECTION_MANAGERS = frozenset(
    {"envoy.filters.network.http_connection_manager", "envoy.http_connection_manager"}
)
MESSAGES = {
    "CLUSTER": "envoy.config.cluster.v3.Cluster",
    "LISTENER": "envoy.config.listener.v3.Listener",
    "ROUTE_CONFIGURATION": "envoy.config.route.v3.RouteConfiguration",
    "FILTER_CHAIN": "envoy.config.listener.v3.FilterChain",
    "HTTP_FILTER": "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter",
    "NETWORK_FILTER": "envoy.config.listener.v3.Filter",
    "VIRTUAL_HOST": "envoy.config.route.v3.VirtualHost",
    "HTTP_ROUTE": "envoy.config.route.v3.Route",
    "EXTENSION_CONFIG": "envoy.config.core.v3.TypedExtensionConfig",
    "BOOTSTRAP": "envoy.config.bootstrap.v3.Bootstrap",
    "LISTENER_FILTER": "envoy.config.listener.v3.ListenerFilter",
}
"""The Envoy message that a patch changes, by `applyTo`."""
_LISTENERS = frozenset({"LISTENER", "FILTER_CHAIN", "NETWORK_FILTER", "HTTP_FILTER"})
_ROUTES = frozenset({"ROUTE_CONFIGURATION", "VIRTUAL_HOST", "HTTP_ROUTE"})
_OBJECTS = (
    ("listener", "listener"),
    ("route_configuration", "routeConfiguration"),
    ("cluster", "cluster"),
    ("waypoint", "waypoint"),
)


def envoy_filter(source: Object) -> Faults:
    """Check an EnvoyFilter."""
    spec: EnvoyFilter = source.spec
    problem = "Envoy's internals change without notice; prefer another API where there is one"
    yield Fault("kind", problem, warning=True)
    yield from selector(spec.workload_selector, "spec.workloadSelector")
    for at, each in enumerate(spec.config_patches):
        yield from _patch(each, f"spec.configPatches[{at}]")


def _patch(each: EnvoyConfigObjectPatch, at: str) -> Faults:
    patch = each.patch
    if each.apply_to == "INVALID":
        yield Fault(at, "`applyTo` is missing")
    elif patch is None:
        yield Fault(at, "the `patch` is missing")
    elif patch.operation == "INVALID":
        yield Fault(f"{at}.patch", "the `operation` is missing")
    elif patch.operation != "REMOVE" and patch.value is None:
        yield Fault(f"{at}.patch", f"{patch.operation} needs a `value`")
    else:
        yield from _match(each, f"{at}.match")
        yield from _value(each.apply_to, patch, f"{at}.patch.value")


def _match(each: EnvoyConfigObjectPatch, at: str) -> Faults:
    match = each.match
    if match is None:
        return
    if match.proxy is not None and match.proxy.proxy_version:
        version = match.proxy.proxy_version
        yield from fault(f"{at}.proxy.proxyVersion", syntax.regex(version))
    written = [field for name, field in _OBJECTS if getattr(match, name) is not None]
    wanted = _wanted(each.apply_to)
    if written and wanted and written[0] not in {wanted, "waypoint"}:
        problem = f"{each.apply_to} is matched by `{wanted}`, not by `{written[0]}`"
        yield Fault(f"{at}.{written[0]}", problem)
    elif match.listener is not None and each.apply_to in _LISTENERS:
        yield from _listener(each.apply_to, match.listener, f"{at}.listener")


def _wanted(apply_to: str) -> str:
    if apply_to in _LISTENERS:
        return "listener"
    if apply_to in _ROUTES:
        return "routeConfiguration"
    return "cluster" if apply_to == "CLUSTER" else ""


def _listener(apply_to: str, listener: ListenerMatch, at: str) -> Faults:
    chosen = listener.filter_chain.filter if listener.filter_chain is not None else None
    if chosen is None:
        return
    place = f"{at}.filterChain.filter"
    if apply_to in {"LISTENER", "FILTER_CHAIN"}:
        yield Fault(place, f"it has no effect on a {apply_to}", warning=True)
    if not chosen.name:
        yield Fault(place, "a `name` is needed")
    elif chosen.sub_filter is not None:
        if apply_to != "HTTP_FILTER":
            yield Fault(f"{place}.subFilter", "it goes with the HTTP_FILTER alone")
        elif chosen.name not in HTTP_CONNECTION_MANAGERS:
            problem = "HTTP filters stand in the filter http_connection_manager"
            yield Fault(f"{place}.name", problem)
        elif not chosen.sub_filter.name:
            yield Fault(f"{place}.subFilter", "a `name` is needed")
    for name in (chosen.name, chosen.sub_filter.name if chosen.sub_filter is not None else ""):
        if name.startswith("envoy.") and name.count(".") == 1:
            problem = f"{name} is an old name; use that of the type, envoy.filters.…"
            yield Fault(f"{place}.name", problem, warning=True)


def _value(apply_to: str, patch: Patch, at: str) -> Faults:
    if patch.value is None:
        return
    try:
        parse(patch.value, MESSAGES[apply_to])
    except SchemaError as error:
        place = f"{at}.{error.path}" if error.path else at
        # Istio lets unknown fields pass, in case that its own schema is too old.
        yield Fault(place, error.reason, warning="no field" in error.reason)
