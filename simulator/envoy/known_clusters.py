"""Refuse a bootstrap whose clusters have one name, or whose routes lead to clusters it lacks.

Models    RouteConfiguration.validate_clusters
Follows   envoy/source/common/upstream/cluster_manager_impl.cc, source/common/router/config_impl.cc
          (RouteEntryImplBase::validateClusters)
Leaves    routes in trees of matchers, which are looked at when a request takes them
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from simulator.envoy.compile.http import is_http
from simulator.envoy.rejected import Scope
from simulator.envoy_api import unpack


def refuse_doubles(clusters: Any) -> None:  # noqa: ANN401 - protobuf
    """Raise Rejected if two clusters bear the same name."""
    seen: set[str] = set()
    for one in clusters:
        if one.name in seen:
            scope = Scope("clusters", one.name).at("name")
            raise scope.reject(f"cluster manager: duplicate cluster '{one.name}'")
        seen.add(one.name)


def refuse_unknown(listeners: Any, clusters: Collection[str]) -> None:  # noqa: ANN401 - protobuf
    """Raise Rejected if a listener's own routes lead to a cluster that is not among these."""
    for listener in listeners:
        for table, scope in _tables(listener, Scope("listeners", listener.name)):
            if table.HasField("validate_clusters") and not table.validate_clusters.value:
                continue
            for what, name, where in _named(table, scope):
                if name and name not in clusters:
                    raise where.reject(f"route: unknown {what} '{name}'")


def _tables(listener: Any, scope: Scope) -> Iterator[tuple[Any, Scope]]:  # noqa: ANN401 - protobuf
    chains = [(one, scope.at("filter_chains", at)) for at, one in enumerate(listener.filter_chains)]
    if listener.HasField("default_filter_chain"):
        chains.append((listener.default_filter_chain, scope.at("default_filter_chain")))
    for chain, inner in chains:
        for at, one in enumerate(chain.filters):
            if one.typed_config.type_url and is_http(manager := unpack(one.typed_config)):
                where = inner.at("filters", at).at("typed_config").at("route_config")
                yield manager.route_config, where


def _named(table: Any, scope: Scope) -> Iterator[tuple[str, str, Scope]]:  # noqa: ANN401
    """Yield what each cluster is wanted for, its name, and where it is named."""
    for number, host in enumerate(table.virtual_hosts):
        for at, route in enumerate(host.routes):
            inner = scope.at("virtual_hosts", number).at("routes", at).at("route")
            action = route.route
            yield "cluster", action.cluster, inner.at("cluster")
            weighted = inner.at("weighted_clusters")
            for place, one in enumerate(action.weighted_clusters.clusters):
                yield "weighted cluster", one.name, weighted.at("clusters", place).at("name")
            for place, one in enumerate(action.request_mirror_policies):
                where = inner.at("request_mirror_policies", place).at("cluster")
                yield "shadow cluster", one.cluster, where
