"""The configuration that a proxy holds, as `/config_dump` shows it.

Follows   envoy/source/server/admin/config_dump_handler.cc
Leaves    `mask`, the node (docs/fidelity.md#admin)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from simulator import envoy_api
from simulator.envoy.format_time import date
from simulator.envoy.match import compiled
from simulator.envoy.upstream import Upstream

_ADMIN = "type.googleapis.com/envoy.admin.v3."
_ENDPOINT = "type.googleapis.com/envoy.config.endpoint.v3."
_HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


class BadQueryError(ValueError):
    """A query that Envoy refuses, with the answer's status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def config_dump(
    resources: envoy_api.Resources,
    upstreams: Iterable[Upstream],
    query: Mapping[str, str],
    *,
    dynamic: bool,
    updated_ns: int,
) -> dict[str, Any]:
    """Return the dump; `dynamic` says whether a control plane has sent the resources.

    Raises BadQueryError, or BadRegexError for a bad `name_regex`.
    """
    if "mask" in query:
        raise BadQueryError("mask is not simulated", 400)
    updated = date(updated_ns, "")
    shown = upstreams if "include_eds" in query else None
    sections = list(_sections(resources, shown, dynamic=dynamic, updated=updated))
    pattern = query.get("name_regex", "")
    if pattern:
        sections = [(kind, _only(fields, pattern)) for kind, fields in sections]
    wanted = query.get("resource")
    if wanted is None:
        configs = [
            {"@type": f"{_ADMIN}{kind}", **{name: rows for name, rows in fields.items() if rows}}
            for kind, fields in sections
        ]
        return {"configs": configs}
    for kind, fields in sections:
        if wanted in fields:
            element = f"{_ADMIN}{kind}.{_ELEMENTS[wanted]}"
            rows = [{"@type": element, **row} for row in fields[wanted]]
            return {"configs": rows} if rows else {}
    if wanted == "bootstrap":
        message = f"{wanted} is not a repeated field. Use ?mask={wanted} to get only this field"
        raise BadQueryError(message, 400)
    raise BadQueryError(f"{wanted} not found in config dump", 404)


_ELEMENTS = {
    "static_clusters": "StaticCluster",
    "dynamic_active_clusters": "DynamicCluster",
    "static_listeners": "StaticListener",
    "dynamic_listeners": "DynamicListener",
    "static_route_configs": "StaticRouteConfig",
    "dynamic_route_configs": "DynamicRouteConfig",
    "static_secrets": "StaticSecret",
    "dynamic_active_secrets": "DynamicSecret",
    "static_endpoint_configs": "StaticEndpointConfig",
    "dynamic_endpoint_configs": "DynamicEndpointConfig",
}
"""The message of each list's elements."""

Fields = dict[str, list[dict[str, Any]]]


def _sections(
    resources: envoy_api.Resources,
    upstreams: Iterable[Upstream] | None,
    *,
    dynamic: bool,
    updated: str,
) -> Iterator[tuple[str, Fields]]:
    def rows(messages: Iterable[Any], name: str) -> list[dict[str, Any]]:
        return [{name: _packed(one), "last_updated": updated} for one in messages]

    clusters = "dynamic_active_clusters" if dynamic else "static_clusters"
    yield "ClustersConfigDump", {clusters: rows(resources.clusters, "cluster")}
    if upstreams is not None:
        kind = "dynamic_endpoint_configs" if dynamic else "static_endpoint_configs"
        found = [{"endpoint_config": _assignment(one)} for one in upstreams]
        yield "EndpointsConfigDump", {kind: found}
    if dynamic:
        listeners = [
            {"name": one.name, "active_state": {"listener": _packed(one), "last_updated": updated}}
            for one in resources.listeners
        ]
        yield "ListenersConfigDump", {"dynamic_listeners": listeners}
    else:
        yield "ListenersConfigDump", {"static_listeners": rows(resources.listeners, "listener")}
    yield "ScopedRoutesConfigDump", {}
    inline = [route for one in resources.listeners for route in _inline_routes(one)]
    routes: Fields = {"static_route_configs": rows(inline, "route_config")}
    if dynamic:
        routes["dynamic_route_configs"] = rows(resources.routes, "route_config")
    yield "RoutesConfigDump", routes
    secrets = "dynamic_active_secrets" if dynamic else "static_secrets"
    shown = [
        {"name": one.name, "last_updated": updated, "secret": _packed(one)}
        for one in resources.secrets
    ]
    yield "SecretsConfigDump", {secrets: shown}


def _assignment(upstream: Upstream) -> dict[str, Any]:
    """Return the hosts of a cluster as Envoy gathers them, by priority and locality."""
    groups: dict[tuple[int, str], list[Any]] = {}
    for host in upstream.hosts.values():
        endpoint = host.endpoint
        socket = {"address": endpoint.address, "port_value": endpoint.port}
        named = {"hostname": endpoint.hostname} if endpoint.hostname else {}
        shown = {
            "endpoint": {
                "address": {"socket_address": socket},
                "health_check_config": {},
                **named,
            },
            "health_status": host.health.value.upper(),
            "load_balancing_weight": endpoint.weight,
        }
        groups.setdefault((endpoint.priority, endpoint.locality), []).append(shown)
    made: dict[str, Any] = {
        "@type": f"{_ENDPOINT}ClusterLoadAssignment",
        "cluster_name": upstream.cluster.endpoints_resource or upstream.cluster.name,
    }
    if groups:
        weights = upstream.cluster.locality_weights
        made["endpoints"] = [
            {
                "locality": _locality(locality),
                "lb_endpoints": rows,
                "load_balancing_weight": weights.get((priority, locality), 0),
                **({"priority": priority} if priority else {}),
            }
            for (priority, locality), rows in sorted(groups.items())
        ]
    made["policy"] = {"overprovisioning_factor": upstream.cluster.overprovisioning}
    return made


def _locality(text: str) -> dict[str, str]:
    names = ("region", "zone", "sub_zone")
    return {name: part for name, part in zip(names, text.split("/"), strict=False) if part}


def _inline_routes(listener: Any) -> Iterator[Any]:  # noqa: ANN401 - protobuf
    """Yield the route configurations that stand in a listener."""
    chains = [*listener.filter_chains]
    if listener.HasField("default_filter_chain"):
        chains.append(listener.default_filter_chain)
    for chain in chains:
        for one in chain.filters:
            if one.typed_config.type_url.endswith(_HCM):
                manager = envoy_api.unpack(one.typed_config)
                if manager.WhichOneof("route_specifier") == "route_config":
                    yield manager.route_config


def _packed(message: Any) -> dict[str, Any]:  # noqa: ANN401 - protobuf
    """Return a message's JSON form with its type, and without what is secret."""
    shown = envoy_api.format(envoy_api.redacted(message))
    return {"@type": envoy_api.type_url(message), **shown}


def _only(fields: Fields, pattern: str) -> Fields:
    """Return the rows whose resource has a name that the pattern matches whole."""
    return {
        kind: [row for row in rows if compiled(pattern).fullmatch(_name(row))]
        for kind, rows in fields.items()
    }


def _name(row: Mapping[str, Any]) -> str:
    if "name" in row:
        return str(row["name"])
    for inner in ("cluster", "listener", "route_config"):
        if inner in row:
            return str(row[inner].get("name", ""))
    return str(row.get("endpoint_config", {}).get("cluster_name", ""))
