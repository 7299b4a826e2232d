"""Choose virtual host, route and cluster for a request.

Envoy picks the virtual host first and never again, then takes the first route in
listed order whose conditions all hold. The reasons are read off the same conditions,
in the same order, and only when asked for.

Models    envoy.config.route.v3.{RouteConfiguration, VirtualHost, Route}
Follows   envoy/source/common/router/{config_impl,weighted_cluster_specifier}.cc
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.envoy.formatter import Command
from simulator.envoy.match import Condition, FractionMatcher, PathKind, PathMatcher, Subject
from simulator.envoy.request import PLAIN, Request, StreamInfo
from simulator.envoy.rewrite import Redirect
from simulator.envoy.route_table import (
    Action,
    PerFilter,
    RouteEntry,
    RouteTable,
    TlsRequirement,
    VirtualHost,
    WeightedCluster,
)
from simulator.observe.explain import FieldRef, Node, Outcome

__all__ = [
    "Action",
    "NoRoute",
    "PerFilter",
    "Request",
    "RouteEntry",
    "RouteMatch",
    "RouteTable",
    "StreamInfo",
    "VirtualHost",
    "WeightedCluster",
    "find",
]

_LARGEST_U64 = 2**64 - 1
_STEADY = frozenset(
    {
        "REQ",
        "REQUEST_HEADER",
        "RESP",
        "RESPONSE_HEADER",
        "RESPONSE_CODE",
        "PATH",
        "QUERY_PARAM",
        "QUERY_PARAMS",
        "DYNAMIC_METADATA",
        "FILTER_STATE",
        "ROUTE_NAME",
        "UPSTREAM_CLUSTER",
        "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
        "DOWNSTREAM_PEER_URI_SAN",
        "REQUESTED_SERVER_NAME",
    }
)
"""Commands of format strings whose value follows from request and response alone."""
_MOST_KNOWN = 4096
"""Requests whose route is remembered; beyond it, all is forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteMatch:
    """The route that takes a request."""

    table: RouteTable
    virtual_host: VirtualHost
    route: RouteEntry
    cluster: str | None
    """Absent for redirects and direct responses, and where the cluster header is missing."""
    weighted: WeightedCluster | None = None
    """The entry of `weighted_clusters` that was chosen."""
    tls_redirect: bool = False
    """The virtual host requires TLS: answer 301 to https, whatever the route."""
    node: Node | None = None

    def override(self, name: str) -> PerFilter | None:
        """Return what the most specific level that speaks of a filter says about it."""
        if self.tls_redirect:
            return None
        for level in (self.weighted, self.route, self.virtual_host, self.table):
            if level is not None and name in level.per_filter:
                return level.per_filter[name]
        return None

    def overrides(self, name: str) -> list[PerFilter]:
        """Return what every level says about a filter, the most specific first."""
        levels = (self.weighted, self.route, self.virtual_host, self.table)
        if self.tls_redirect:
            return []
        return [
            level.per_filter[name]
            for level in levels
            if level is not None and name in level.per_filter
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoRoute:
    """No route takes a request: Envoy answers 404 with the flag NR."""

    stage: str
    """`virtual host` or `route`: where the search ended."""
    virtual_host: VirtualHost | None = None
    node: Node | None = None


def unrouted(table: RouteTable | None, request: Request) -> NoRoute:
    """Return what is known of a request that is refused before its route is looked for."""
    return NoRoute(stage="route", virtual_host=virtual_host(table, request) if table else None)


def find(
    table: RouteTable,
    request: Request,
    random: int,
    *,
    info: StreamInfo = PLAIN,
    explain: bool = False,
) -> RouteMatch | NoRoute:
    """Return the route that takes a request, given the stream's one random value."""
    if explain or not request.scheme:
        return _search(table, request, random, info, explain=explain)
    key = (request.authority, request.path)
    known: RouteMatch | NoRoute | None = table.known.get(key)
    if known is None:
        known = _search(table, request, random, info, explain=False)
        if _depends_on_path_alone(table, known):
            if len(table.known) >= _MOST_KNOWN:
                table.known.clear()
            table.known[key] = known
    return known


def _depends_on_path_alone(table: RouteTable, found: RouteMatch | NoRoute) -> bool:
    """Say whether every request of the same authority and path is routed like this one."""
    host = found.virtual_host
    if table.vhost_header or host is None or not host.by_path_alone:
        return False
    if isinstance(found, NoRoute):
        return True
    return not found.route.weighted_clusters and not found.route.cluster_header


def leaves_nothing_to_chance(match: RouteMatch) -> bool:
    """Say whether requests like its own are all routed like this but for its clusters' weights."""
    host, route = match.virtual_host, match.route
    return (
        host.tree is None
        and not any(
            isinstance(each, FractionMatcher) for one in host.routes for each in one.conditions
        )
        and not (route.weights_header or route.mirrors)
        and not any(entry.cluster_header for entry in route.weighted_clusters)
        and not any(
            isinstance(part, Command) and part.name not in _STEADY
            for level in (match.weighted, route, host, match.table)
            if level is not None
            for mutations in (level.request_headers, level.response_headers)
            for add in mutations.add
            for part in add.value
        )
    )


def _search(
    table: RouteTable, request: Request, random: int, info: StreamInfo, *, explain: bool
) -> RouteMatch | NoRoute:
    host = virtual_host(table, request)
    if host is None:
        node = _no_host(table, request) if explain else None
        return NoRoute(stage="virtual host", node=node)
    forwarded = request.first("x-forwarded-proto") or request.scheme
    subject = Subject(request, random, info, strip_parameters=table.ignore_path_parameters)
    if forwarded and _must_redirect(host, forwarded, request):
        return _to_https(table, host, forwarded, explain=explain)
    route = _first(host, subject) if forwarded else None
    if route is None:
        node = _hosted(table, host, request, _tried(host, subject)) if explain else None
        return NoRoute(stage="route", virtual_host=host, node=node)
    cluster, weighted = _cluster(route, request, random)
    node = None
    if explain:
        children = (
            *_tried(host, subject),
            *_chosen_cluster(route, cluster, weighted),
        )
        node = _hosted(table, host, request, children)
    return RouteMatch(
        table=table,
        virtual_host=host,
        route=route,
        cluster=cluster,
        weighted=weighted,
        node=node,
    )


def port_start(host: str) -> int | None:
    """Return where what stands for a port begins (at its colon); nobody asks for digits."""
    at = host.rfind(":")
    return None if at == -1 or host.rfind("]") > at else at


def virtual_host(table: RouteTable, request: Request) -> VirtualHost | None:
    """Return the virtual host of a request: exact, longest suffix, longest prefix, `*`."""
    if not table.exact and not table.suffixes and not table.prefixes:
        return table.default
    host = _host(table, request)
    if not host:
        return None
    found = table.exact.get(host)
    if found is not None:
        return found
    length = len(host)
    for size, suffixes in table.suffixes:
        # A star stands for at least one character.
        if size < length and (found := suffixes.get(host[length - size :])) is not None:
            return found
    for size, prefixes in table.prefixes:
        if size < length and (found := prefixes.get(host[:size])) is not None:
            return found
    return table.default


def _host(table: RouteTable, request: Request) -> str:
    host = request.first(table.vhost_header) if table.vhost_header else request.authority
    if not host:
        return ""
    if table.ignore_port and (end := port_start(host)) is not None:
        host = host[:end]
    return host.lower()


def _must_redirect(host: VirtualHost, scheme: str, request: Request) -> bool:
    if host.require_tls is TlsRequirement.NONE or scheme == "https":
        return False
    if host.require_tls is TlsRequirement.ALL:
        return True
    return request.first("x-envoy-internal") != "true"


def _first(host: VirtualHost, subject: Subject) -> RouteEntry | None:
    for route in _candidates(host, subject):
        if not subject.request.path and route.path.kind is not PathKind.CONNECT:
            continue
        for condition in route.conditions:
            if not condition.holds(subject):
                break
        else:
            if route.path.holds(subject):
                return route
    return None


def _candidates(host: VirtualHost, subject: Subject) -> tuple[RouteEntry, ...]:
    """Return the routes that are tried, in order."""
    return host.routes if host.tree is None else host.tree.find(subject) or ()


def _cluster(
    route: RouteEntry, request: Request, random: int
) -> tuple[str | None, WeightedCluster | None]:
    """Return the cluster's name (absent where nothing is forwarded) and the weighted entry."""
    if route.action is not Action.ROUTE:
        return None, None
    if route.weighted_clusters:
        entry = _weighted(route, request, random)
        if entry.cluster_header:
            return request.first(entry.cluster_header) or "", entry
        return entry.name, entry
    if route.cluster_header:
        return request.first(route.cluster_header) or "", None
    return route.cluster, None


def _weighted(route: RouteEntry, request: Request, random: int) -> WeightedCluster:
    return route.weighted_clusters[chosen(route, _weights_random(route, request, random))]


def chosen(route: RouteEntry, random: int) -> int:
    """Return which of a route's weighted clusters a random value falls on."""
    left = random % route.weights_total
    for at, entry in enumerate(route.weighted_clusters):
        if left < entry.weight:
            return at
        left -= entry.weight
    raise AssertionError("the weights sum up to more than any remainder")


def _weights_random(route: RouteEntry, request: Request, random: int) -> int:
    if route.weights_header:
        values = request.values(route.weights_header)
        # Several values would make proxies disagree, so they count as none.
        if len(values) == 1 and values[0].strip().isdecimal():
            given = int(values[0])
            if given <= _LARGEST_U64:
                return given
    return random


def _failed(route: RouteEntry, subject: Subject) -> Condition | None:
    """Return the first condition that does not hold, in the order in which they are asked."""
    if not subject.request.path and route.path.kind is not PathKind.CONNECT:
        return route.path
    for condition in (*route.conditions, route.path):
        if not condition.holds(subject):
            return condition
    return None


def _tried(host: VirtualHost, subject: Subject) -> tuple[Node, ...]:
    nodes: list[Node] = []
    for route in _candidates(host, subject):
        name = route.name or f"#{route.index}"
        failed = _failed(route, subject)
        if failed is None:
            reason = "all its conditions hold; later routes are not looked at"
            nodes.append(
                Node(
                    what="route",
                    name=name,
                    outcome=Outcome.CHOSEN,
                    reason=reason,
                    field=route.field,
                )
            )
            break
        nodes.append(
            Node(
                what="route",
                name=name,
                outcome=Outcome.REJECTED,
                reason=failed.why(subject),
                field=_below(route.field, failed.field),
            )
        )
    return tuple(nodes)


def _below(field: FieldRef, path: str) -> FieldRef:
    return FieldRef(field.kind, field.resource, f"{field.path}.{path}" if path else field.path)


def _no_host(table: RouteTable, request: Request) -> Node:
    return Node(
        what="virtual host",
        name=_host(table, request),
        outcome=Outcome.REJECTED,
        reason=f'no virtual host has a domain for "{_host(table, request)}", and none has "*"',
        field=_below(table.field, "virtual_hosts"),
    )


def _hosted(
    table: RouteTable, host: VirtualHost, request: Request, children: tuple[Node, ...]
) -> Node:
    asked = _host(table, request)
    found = any(child.outcome is Outcome.CHOSEN for child in children)
    reason = f'its domains cover "{asked}"'
    if host is table.default and asked not in table.exact:
        reason = f'no other virtual host has a domain for "{asked}"; this one has "*"'
    if not found:
        reason += ", but none of its routes takes the request (no other virtual host is tried)"
    return Node(
        what="virtual host",
        name=host.name,
        outcome=Outcome.CHOSEN if found else Outcome.REJECTED,
        reason=reason,
        field=host.field,
        children=children,
    )


def _chosen_cluster(
    route: RouteEntry, cluster: str | None, weighted: WeightedCluster | None
) -> tuple[Node, ...]:
    if cluster is None:
        return ()
    if weighted is not None:
        reason = f"its weight is {weighted.weight} of {route.weights_total}"
        field = weighted.field
    elif route.cluster_header:
        reason = f"the request's header {route.cluster_header} names it"
        field = _below(route.field, "route.cluster_header")
    else:
        reason = "the route names it"
        field = _below(route.field, "route.cluster")
    return (Node(what="cluster", name=cluster, outcome=Outcome.CHOSEN, reason=reason, field=field),)


def _to_https(table: RouteTable, host: VirtualHost, scheme: str, *, explain: bool) -> RouteMatch:
    node = None
    if explain:
        node = Node(
            what="virtual host",
            name=host.name,
            outcome=Outcome.CHOSEN,
            reason=f"it requires TLS, and the request came by {scheme}: it is sent to https",
            field=_below(host.field, "require_tls"),
        )
    route = RouteEntry(
        name="",
        index=-1,
        field=_below(host.field, "require_tls"),
        conditions=(),
        path=_ANY_PATH,
        action=Action.REDIRECT,
        redirect=Redirect(field=_below(host.field, "require_tls"), status=301, https=True),
    )
    return RouteMatch(
        table=table, virtual_host=host, route=route, cluster=None, tls_redirect=True, node=node
    )


_ANY_PATH = PathMatcher(kind=PathKind.PREFIX, value="", field="")
