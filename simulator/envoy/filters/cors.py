"""Tell browsers which pages may read an answer, and answer their preflights.

Models    envoy.extensions.filters.http.cors.v3.{Cors, CorsPolicy}
Follows   envoy/source/extensions/filters/http/cors/cors_filter.cc
Leaves    shadow policies (docs/fidelity.md#small-filters)
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

from simulator.envoy.commands import Response
from simulator.envoy.filters.passing import Answer, Passing
from simulator.envoy.filters.small_config import CorsConfig, CorsPolicy
from simulator.envoy.header_map import Headers, replaced
from simulator.envoy.request import Request
from simulator.envoy.route import Action, RouteMatch
from simulator.observe.explain import Outcome

_ASKED = {
    "access-control-allow-methods": "access-control-request-method",
    "access-control-allow-headers": "access-control-request-headers",
}


def decode(_: CorsConfig, passing: Passing) -> Answer | None:
    """Answer a preflight, or remember whose pages ask."""
    policy, request, match = _policy(passing), passing.request, passing.match
    if policy is None:
        return None
    origin = request.first("origin")
    # Only a route that forwards has a policy.
    forwarded = isinstance(match, RouteMatch) and match.route.action is Action.ROUTE
    if not origin or not forwarded:
        return None
    if passing.draws.next("cors") % policy.enabled.denominator >= policy.enabled.numerator:
        return None
    asked = request.first("access-control-request-method")
    preflight = request.method == "OPTIONS" and bool(asked)
    allowed = policy.allows(origin)
    if not allowed:
        reason = f"the origin {origin} is not allowed"
        passing.note("cors", "refused", reason, policy.field, outcome=Outcome.REJECTED)
        if not preflight or policy.forward_not_matching is not False:
            return None
        return Answer(
            status=200, details="cors_response", headers=_told(policy, request), as_it_is=True
        )
    passing.memory[passing.at] = policy, origin
    if not preflight:
        return None
    passing.note("cors", "preflight", f"the origin {origin} is allowed", policy.field)
    headers = (("access-control-allow-origin", origin), *_told(policy, request))
    return Answer(status=200, details="cors_response", headers=headers, as_it_is=True)


def _policy(passing: Passing) -> CorsPolicy | None:
    """Return what the route and the levels above it say together."""
    match = passing.match
    found = match.overrides(passing.name) if isinstance(match, RouteMatch) else []
    levels = [one.config for one in found if isinstance(one.config, CorsPolicy)]
    return reduce(CorsPolicy.over, levels) if levels else None


def _told(policy: CorsPolicy, request: Request) -> Headers:
    """Return what the answer to a preflight says, whoever asks; `*` allows just what is asked."""
    private = request.first("access-control-request-private-network") == "true"
    said = (
        ("access-control-allow-credentials", "true" if policy.credentials else ""),
        ("access-control-allow-methods", policy.methods),
        ("access-control-allow-headers", policy.headers),
        ("access-control-max-age", policy.max_age),
        (
            "access-control-allow-private-network",
            "true" if private and policy.private_network else "",
        ),
    )
    return tuple(
        (name, request.first(_ASKED[name]) or "" if value == "*" and name in _ASKED else value)
        for name, value in said
        if value
    )


def encode(_: CorsConfig, passing: Passing, response: Response) -> Response:
    """Say in the response whose pages may read it."""
    remembered = passing.memory.get(passing.at)
    if remembered is None:
        return response
    policy, origin = remembered
    headers: Headers = replaced(response.headers, "access-control-allow-origin", origin)
    if policy.credentials:
        headers = replaced(headers, "access-control-allow-credentials", "true")
    if policy.exposed:
        headers = replaced(headers, "access-control-expose-headers", policy.exposed)
    return replace(response, headers=headers)
