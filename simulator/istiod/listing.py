"""A proxy's configuration as rows: what there is, where it leads, which line caused it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from simulator.envoy_api import message
from simulator.istiod.generate import Translation
from simulator.observe.explain import FieldRef, source_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The resources of one kind."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


_COLUMNS = {
    "listeners": ("listener", "address", "chains"),
    "routes": ("table", "virtual host", "match", "leads to"),
    "clusters": ("cluster", "type", "balancing"),
    "endpoints": ("cluster", "endpoints"),
    "secrets": ("secret",),
}


def listing(translation: Translation, kind: str) -> Listing:
    """Return the resources of one kind (`listeners`, `routes` …), a row for each.

    Of routes there is a row for each route of each virtual host. The last cell is the
    manifest's `file:line:column`, empty where there is none.
    """
    rows = tuple(
        (*cells, source_of(translation.provenance, FieldRef(kind, name, path)) or "")
        for name, path, cells in _ROWS[kind](translation.resources.by_kind()[kind])
    )
    return Listing(columns=(*_COLUMNS[kind], "written at"), rows=rows)


Row = tuple[str, str, tuple[str, ...]]
"""A resource's name, the path of the field that the row is about, and the cells."""


def _listeners(resources: tuple[Any, ...]) -> Iterator[Row]:
    for one in resources:
        chains = len(one.filter_chains) + one.HasField("default_filter_chain")
        yield one.name, "", (one.name, _address(one.address), str(chains))


def _routes(resources: tuple[Any, ...]) -> Iterator[Row]:
    for one in resources:
        for at, host in enumerate(one.virtual_hosts):
            for number, route in enumerate(host.routes):
                path = f"virtual_hosts[{at}].routes[{number}]"
                yield one.name, path, (one.name, host.name, _match(route.match), _action(route))


def _clusters(resources: tuple[Any, ...]) -> Iterator[Row]:
    fields = message("envoy.config.cluster.v3.Cluster").DESCRIPTOR.fields_by_name
    for one in resources:
        kind = fields["type"].enum_type.values_by_number[one.type].name
        policy = fields["lb_policy"].enum_type.values_by_number[one.lb_policy].name
        yield one.name, "", (one.name, kind, policy)


def _endpoints(resources: tuple[Any, ...]) -> Iterator[Row]:
    for one in resources:
        places = [
            _address(each.endpoint.address)
            for locality in one.endpoints
            for each in locality.lb_endpoints
        ]
        yield one.cluster_name, "", (one.cluster_name, ", ".join(places) or "none")


def _secrets(resources: tuple[Any, ...]) -> Iterator[Row]:
    for one in resources:
        yield one.name, "", (one.name,)


_ROWS = {
    "listeners": _listeners,
    "routes": _routes,
    "clusters": _clusters,
    "endpoints": _endpoints,
    "secrets": _secrets,
}


def _address(address: Any) -> str:  # noqa: ANN401 - made at run time
    if address.WhichOneof("address") != "socket_address":
        return str(address.WhichOneof("address"))
    return f"{address.socket_address.address}:{address.socket_address.port_value}"


def _match(match: Any) -> str:  # noqa: ANN401 - made at run time
    how = match.WhichOneof("path_specifier")
    regex = match.safe_regex.regex if how == "safe_regex" else ""
    parts = [f"{how} {regex or getattr(match, how)}" if how else "any path"]
    parts += [f"header {each.name}" for each in match.headers]
    parts += [f"parameter {each.name}" for each in match.query_parameters]
    return ", ".join(parts)


def _action(route: Any) -> str:  # noqa: ANN401 - made at run time
    how = route.WhichOneof("action")
    if how == "direct_response":
        return f"answer {route.direct_response.status}"
    if how != "route":
        return str(how)
    if route.route.WhichOneof("cluster_specifier") == "weighted_clusters":
        clusters = route.route.weighted_clusters.clusters
        return "\n".join(f"weight {each.weight.value} to {each.name}" for each in clusters)
    return str(route.route.cluster)
