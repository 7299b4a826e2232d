"""Ask a service whether a request is one too many.

The HTTP status of the service's workload stands for what it says: 200 for OK, 429 for
OVER_LIMIT, and any other for a failure.

Models    envoy.extensions.filters.http.ratelimit.v3.RateLimit
Follows   envoy/source/extensions/filters/http/ratelimit/ratelimit.cc
Leaves    what the service says besides (docs/fidelity.md#rate-limit-service)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from simulator.envoy.commands import Response
from simulator.envoy.filters.fault_config import Fraction
from simulator.envoy.filters.passing import Answer, Ask, Passing, Verdict
from simulator.envoy.filters.ratelimit_config import (
    RateLimitConfig,
    RateLimitPerRoute,
    VhRateLimits,
)
from simulator.envoy.format_commands import Facts
from simulator.envoy.headers import mutate
from simulator.envoy.match import Subject
from simulator.envoy.rate_limit import Descriptor, RateLimit, descriptors
from simulator.envoy.request import Request
from simulator.envoy.route import RouteMatch
from simulator.observe.explain import Outcome

_PATH = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"
_TOLD = ("x-envoy-ratelimited", "true")
_RESOURCE_EXHAUSTED = 8
_OVER, _ASKED = "over", "asked"


def decode(config: RateLimitConfig, passing: Passing) -> Verdict | None:
    """Ask, then do as was answered."""
    if passing.memory.get(passing.at) != _ASKED:
        return _ask(config, passing)
    status = passing.answer.status if passing.answer is not None else None
    if status == 200:
        passing.note("rate limit", "ok", f"{config.cluster} says OK", config.field)
        return None
    return _over(config, passing) if status == 429 else _failed(config, passing)


def encode(config: RateLimitConfig, passing: Passing, response: Response) -> Response:
    """Tell that the request was one too many, where that was not enforced."""
    if passing.memory.get(passing.at) != _OVER or not config.tells:
        return response
    return replace(response, headers=(*response.headers, _TOLD))


def _ask(config: RateLimitConfig, passing: Passing) -> Ask | None:
    if not _hit(config.enabled, "rate limit enabled", passing):
        return None
    internal = passing.request.values("x-envoy-internal") == ["true"]
    if config.request_type == ("external" if internal else "internal"):
        return None
    own = passing.own if isinstance(passing.own, RateLimitPerRoute) else None
    found = _descriptors(config, own, passing)
    if not found:
        return None
    passing.memory[passing.at] = _ASKED
    domain = own.domain if own is not None and own.domain else config.domain
    reason = f"{config.cluster} is asked about {shown(domain, found)}"
    passing.note("rate limit", "asked", reason, config.field)
    request = Request(method="POST", authority=config.cluster, path=_PATH, headers=())
    return Ask(cluster=config.cluster, request=request, timeout_ns=config.timeout_ns)


def shown(domain: str, found: Sequence[Descriptor]) -> str:
    """Return a domain and its descriptors, for a learner."""
    parts = (", ".join(f"{key}={value}" for key, value in one) for one in found)
    return f"{domain}: " + " ".join(f"({part})" for part in parts)


def _descriptors(
    config: RateLimitConfig, own: RateLimitPerRoute | None, passing: Passing
) -> list[Descriptor]:
    match, cluster = passing.match, passing.cluster
    if not isinstance(match, RouteMatch) or cluster is None or cluster not in passing.upstreams:
        return []
    subject = Subject(passing.request, passing.draws.stream, passing.info)
    if own is not None and own.rate_limits:
        return descriptors(own.rate_limits, subject, cluster)
    if config.rate_limits:
        return descriptors(config.rate_limits, subject, cluster)
    when = own.vh_rate_limits if own is not None else VhRateLimits.OVERRIDE
    return descriptors(of_route(match, when, config.stage), subject, cluster)


def of_route(match: RouteMatch, when: VhRateLimits, stage: int) -> list[RateLimit]:
    """Return the limits of a route and its virtual host that a filter of a stage looks at."""
    found, host = match.route.rate_limits, match.virtual_host.rate_limits
    if match.route.include_vh_rate_limits or when is VhRateLimits.INCLUDE:
        found = found + host
    elif not found and when is VhRateLimits.OVERRIDE:
        found = host
    return [one for one in found if one.stage == stage]


def _over(config: RateLimitConfig, passing: Passing) -> Answer | None:
    passing.memory[passing.at] = _OVER
    enforced = _hit(config.enforced, "rate limit enforced", passing)
    outcome = Outcome.REJECTED if enforced else Outcome.NOTE
    reason = f"{config.cluster} says OVER_LIMIT"
    passing.note("rate limit", "over", reason, config.field, outcome=outcome)
    if not enforced:
        return None
    facts = Facts(request=passing.request, info=passing.info, status=config.status)
    return Answer(
        status=config.status,
        details="request_rate_limited",
        flag="RL",
        headers=mutate(config.response_headers, (), facts),
        grpc_status=_RESOURCE_EXHAUSTED if config.resource_exhausted else None,
    )


def _failed(config: RateLimitConfig, passing: Passing) -> Answer | None:
    denied = _hit(config.deny, "rate limit failed", passing)
    reason = f"{config.cluster} gave no answer that counts"
    outcome = Outcome.REJECTED if denied else Outcome.NOTE
    passing.note("rate limit", "failed", reason, config.field, outcome=outcome)
    if not denied:
        return None
    return Answer(status=config.status_on_error, details="rate_limiter_error", flag="RLSE")


def _hit(fraction: Fraction, name: str, passing: Passing) -> bool:
    return passing.draws.next(name) % fraction.denominator < fraction.numerator
