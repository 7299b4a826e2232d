"""Copies of a request that go to other clusters, and whose answers nobody awaits.

A copy is a request of the proxy's own: it passes no filter but the router, on a route that
has nothing but a cluster and the time-out of the request that it was made from.

Models    RouteAction.RequestMirrorPolicy
Follows   envoy/source/common/router/{router.cc,shadow_writer_impl.cc},
          source/common/http/async_client_impl.cc
"""

from __future__ import annotations

from collections.abc import Iterator

from simulator.envoy.commands import Copy
from simulator.envoy.filters.passing import Passing
from simulator.envoy.filters.router_config import RouterConfig
from simulator.envoy.header_map import Headers, first, replaced, with_headers
from simulator.envoy.headers import mutated
from simulator.envoy.http import HttpChain
from simulator.envoy.match import PathKind, PathMatcher
from simulator.envoy.path import PathRules
from simulator.envoy.request import Request
from simulator.envoy.route import Action, RouteEntry, RouteMatch, RouteTable, VirtualHost
from simulator.envoy.route_table import Mirror
from simulator.observe.explain import FieldRef, Outcome

_FORWARDED_FOR = "x-forwarded-for"
_NOWHERE = FieldRef("routes", "")
_HOST = VirtualHost(name="", index=0, field=_NOWHERE, domains=("*",), routes=())
_TABLE = RouteTable(
    name="", field=_NOWHERE, virtual_hosts=(), exact={}, suffixes=(), prefixes=(), default=None
)


def copies(passing: Passing, match: RouteMatch, timeout_ns: int) -> Iterator[Copy]:
    """Make the copies of a request that is ready to go upstream."""
    request = passing.request
    if request.method == "CONNECT":
        return
    for one in match.route.mirrors:
        cluster = one.cluster or request.first(one.cluster_header) or ""
        # The value that all fractions of a stream share.
        missed = passing.draws.stream % one.denominator >= one.numerator
        if missed or cluster not in passing.upstreams:
            reason = "this request is not in its share" if missed else "there is no such cluster"
            passing.note("mirror", cluster, reason, one.field, outcome=Outcome.REJECTED)
            continue
        copy = _addressed(one, _mutated(one, request, match, passing))
        passing.note("mirror", cluster, f"a copy for {copy.authority} goes there", one.field)
        yield Copy(cluster=cluster, request=copy, timeout_ns=timeout_ns)


def _mutated(one: Mirror, request: Request, match: RouteMatch, passing: Passing) -> Request:
    """Return a request with the header changes of a mirror policy."""
    for step in one.request_headers:
        request = mutated(step, request, match, passing.info)
    return request


def _addressed(one: Mirror, request: Request) -> Request:
    host = one.host_rewrite
    if not host:
        if not one.suffix_host:
            return request
        name, colon, port = request.authority.partition(":")
        host = f"{name}-shadow{colon}{port}"
    return Request(
        method=request.method,
        authority=host,
        path=request.path,
        headers=request.headers,
        scheme=request.scheme,
    )


def own(request: Request, address: str) -> Request:
    """Return a request as a proxy at `address` sends it in its own name."""
    headers: Headers = replaced(request.headers, "x-envoy-internal", "true")
    if address:
        before = first(headers, _FORWARDED_FOR)
        value = f"{before},{address}" if before else address
        headers = replaced(headers, _FORWARDED_FOR, value)
    return with_headers(request, headers)


def chain(router: RouterConfig) -> HttpChain:
    """Return the chain that a proxy's own requests pass: the router alone."""
    return HttpChain(
        field=_NOWHERE,
        stat_prefix="",
        table=None,
        route_config_name="",
        filters=(),
        path_rules=PathRules(),
        router=router,
        stream_idle_timeout_ns=0,
    )


def bare_route(copy: Copy) -> RouteMatch:
    """Return the route that a copy takes."""
    route = RouteEntry(
        name="",
        index=0,
        field=_NOWHERE,
        conditions=(),
        path=PathMatcher(kind=PathKind.PREFIX, value="/", field=""),
        action=Action.ROUTE,
        cluster=copy.cluster,
        timeout_ns=copy.timeout_ns,
    )
    return RouteMatch(table=_TABLE, virtual_host=_HOST, route=route, cluster=copy.cluster)
