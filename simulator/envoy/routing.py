"""Find a stream's route, or take the one that was observed.

Follows   envoy/source/common/http/conn_manager_impl.cc (refreshCachedRoute)
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from simulator.envoy.draws import Forced
from simulator.envoy.filters.passing import Find
from simulator.envoy.request import Request, StreamInfo
from simulator.envoy.route import NoRoute, RouteMatch, RouteTable, find


def route_of(
    table: RouteTable,
    request: Request,
    info: StreamInfo,
    *,
    random: int,
    cluster: str | None,
    explain: bool,
) -> RouteMatch | NoRoute:
    """Return the route of a request; `cluster` is one of its weighted ones to be chosen."""
    match = find(table, request, random, info=info, explain=explain)
    if cluster is None or isinstance(match, NoRoute) or match.cluster == cluster:
        return match
    for entry in match.route.weighted_clusters:
        if cluster == entry.name:
            return replace(match, cluster=cluster, weighted=entry)
    return match


def finder(table: RouteTable, random: int, forced: Forced, *, explain: bool) -> Find:
    """Return how the route of a stream's request is found, now and again."""
    return partial(route_of, table, random=random, cluster=forced.cluster, explain=explain)
