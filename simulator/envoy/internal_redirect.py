"""Redirects that a proxy follows itself: the client sees what the last one comes to.

What cannot be followed is handed on to the client.

Models    RouteAction.internal_redirect_policy
Follows   envoy/source/common/router/router.cc (convertRequestHeadersForInternalRedirect),
          source/extensions/internal_redirect
"""

from __future__ import annotations

import re

from simulator.envoy.commands import Response
from simulator.envoy.filters.passing import Passing
from simulator.envoy.header_map import Headers, first, replaced, without
from simulator.envoy.request import Request
from simulator.envoy.route import NoRoute, RouteMatch
from simulator.envoy.route_table import InternalRedirect
from simulator.observe.explain import Outcome

_URL = re.compile(r"(https?)://([^/?#]+)([^#]*)(?:#.*)?", re.IGNORECASE)
_SEE_OTHER = 303


class Redirects:
    """The redirects of one request, as far as they were followed."""

    __slots__ = ("_count", "_seen")

    def __init__(self) -> None:
        self._count = 0
        self._seen: set[tuple[str, str]] = set()
        """Which routes have led to which."""

    def follow(self, passing: Passing, match: RouteMatch, response: Response) -> Request | None:
        """Return the request that a response leads to; None: it goes to the client."""
        policy = match.route.internal_redirect
        if policy is None or response.status not in policy.codes:
            return None
        request, refused = self._next(policy, passing, match, response)
        where = first(response.headers, "location") or "nowhere"
        outcome = Outcome.REJECTED if refused else Outcome.CHOSEN
        reason = refused or "the proxy follows it itself"
        passing.note("internal redirect", where, reason, policy.field, outcome=outcome)
        if request is not None:
            self._count += 1
        return request

    def _next(
        self, policy: InternalRedirect, passing: Passing, match: RouteMatch, response: Response
    ) -> tuple[Request | None, str]:
        """Return the next request, or why there is none."""
        request = passing.request
        target = _URL.fullmatch(first(response.headers, "location") or "")
        if target is None:
            return None, "its location is no absolute URL"
        scheme = target[1].lower()
        secure = request.scheme == "https"
        if not policy.cross_scheme and (scheme == "https") != secure:
            return None, "it changes the scheme"
        if self._count >= policy.max_redirects:
            return None, f"{policy.max_redirects} may be followed, and no more"
        made = _made(policy, request, response, (scheme, target[2], target[3] or "/"))
        # From here on, the stream counts as one of the route that it would have taken.
        found = passing.match = passing.find(made, passing.info)
        if isinstance(found, NoRoute):
            return None, "no route takes it"
        return self._accepted(policy, match, found, (secure, scheme == "https"), made)

    def _accepted(
        self,
        policy: InternalRedirect,
        match: RouteMatch,
        found: RouteMatch,
        secure: tuple[bool, bool],
        made: Request,
    ) -> tuple[Request | None, str]:
        """Let the predicates judge; `secure` says whether TLS was and is to be spoken."""
        name = found.route.name
        if policy.safe_scheme and secure[1] and not secure[0]:
            return None, "it leads to a safer scheme than the client's"
        if policy.allowed_routes is not None and name not in policy.allowed_routes:
            return None, f"the route {name} is not among those allowed"
        if policy.new_routes:
            step = (match.route.name, name)
            if step in self._seen:
                return None, f"it leads to the route {name} again"
            self._seen.add(step)
        return made, ""


def _made(
    policy: InternalRedirect, request: Request, response: Response, target: tuple[str, str, str]
) -> Request:
    headers: Headers = request.headers
    for name in policy.copied:
        headers = without(headers, {name})
        headers = (*headers, *(pair for pair in response.headers if pair[0] == name))
    method = request.method
    if response.status == _SEE_OTHER and method not in ("GET", "HEAD"):
        method, headers = "GET", without(headers, {"content-length"})
    original = f"{request.scheme}://{request.authority}{request.path}"
    scheme, authority, path = target
    return Request(
        method=method,
        authority=authority,
        path=path if path.startswith("/") else f"/{path}",
        headers=replaced(headers, "x-envoy-original-url", original),
        scheme=scheme,
        body=request.body if method == request.method else "",
    )
