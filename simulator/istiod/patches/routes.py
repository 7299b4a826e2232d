"""Apply patches to a route configuration: itself, its virtual hosts, their routes.

Follows   istio pilot/pkg/networking/core/envoyfilter/rc_patch.go
"""

from __future__ import annotations

from typing import Any

from simulator.config.istio import RouteConfigurationMatch, RouteMatch, VirtualHostMatch
from simulator.istiod.patches.merge import into_list, merge
from simulator.istiod.patches.patch import Context, Placed

_ACTIONS = {"ROUTE": "route", "REDIRECT": "redirect", "DIRECT_RESPONSE": "direct_response"}


def patched_table(table: Any, found: list[Placed], context: Context) -> Any:  # noqa: ANN401 - protobuf
    """Return a route configuration as the patches leave it: the same one if none is for it."""
    own = [each for each in found if _of(each, table.name)]
    if not any(
        each.about(kind, context)
        for each in own
        for kind in ("ROUTE_CONFIGURATION", "VIRTUAL_HOST", "HTTP_ROUTE")
    ):
        return table
    copy = type(table)()
    copy.CopyFrom(table)
    for patch in own:
        if patch.about("ROUTE_CONFIGURATION", context) and patch.operation == "MERGE":
            merge(copy, patch.value)
    hosts = [each for each in own if each.about("VIRTUAL_HOST", context)]
    into_list(copy.virtual_hosts, hosts, _is_host, _host_named)
    routes = [each for each in own if each.about("HTTP_ROUTE", context)]
    for host in copy.virtual_hosts:
        fitting = [each for each in routes if _is_host(each, host)]
        into_list(host.routes, fitting, _is_route, _route_named)
    return copy


def _match(patch: Placed) -> RouteConfigurationMatch | None:
    return patch.spec.match.route_configuration if patch.spec.match is not None else None


def _of(patch: Placed, name: str) -> bool:
    match = _match(patch)
    if match is None:
        return True
    if match.name and match.name != name:
        return False
    port, port_name, gateway = _parts(name)
    return (
        match.port_number in {0, port}
        and match.port_name in {"", port_name}
        and match.gateway in {"", gateway}
    )


def _parts(name: str) -> tuple[int, str, str]:
    """Return the port that a configuration is for, and a gateway server's name and Gateway."""
    if name.startswith("https."):
        _, port, port_name, *gateway = name.split(".")
        home = gateway[-1] if gateway else ""
        return int(port), port_name, f"{home}/{'.'.join(gateway[:-1])}"
    if name.startswith("inbound|"):
        return int(name.split("|")[1] or 0), "", ""
    port = name.rpartition(":")[2].removeprefix("http.")
    return int(port) if port.isdecimal() else 0, "", ""


def _host(patch: Placed) -> VirtualHostMatch | None:
    match = _match(patch)
    return match.vhost if match is not None else None


def _is_host(patch: Placed, host: Any) -> bool:  # noqa: ANN401 - protobuf
    wanted = _host(patch)
    if wanted is None:
        return True
    return wanted.name in {"", host.name} and (
        not wanted.domain_name or wanted.domain_name in host.domains
    )


def _host_named(patch: Placed) -> bool:
    wanted = _host(patch)
    return wanted is not None and bool(wanted.name or wanted.domain_name)


def _route(patch: Placed) -> RouteMatch | None:
    wanted = _host(patch)
    return wanted.route if wanted is not None else None


def _is_route(patch: Placed, route: Any) -> bool:  # noqa: ANN401 - protobuf
    wanted = _route(patch)
    if wanted is None:
        return True
    action = _ACTIONS.get(wanted.action)
    return wanted.name in {"", route.name} and (
        action is None or route.WhichOneof("action") == action
    )


def _route_named(patch: Placed) -> bool:
    wanted = _route(patch)
    return wanted is not None and bool(wanted.name)
