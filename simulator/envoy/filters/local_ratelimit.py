"""Refuse requests that come faster than a token bucket of the proxy fills.

Descriptors that have buckets of their own are asked first, the slowest one before others.

Models    envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
Follows   envoy/source/extensions/filters/http/local_ratelimit/local_ratelimit.cc
Leaves    buckets of connections and of the cluster (docs/fidelity.md#rate-limits)
"""

from __future__ import annotations

from dataclasses import replace

from simulator.envoy.commands import Response
from simulator.envoy.filters.fault_config import Fraction
from simulator.envoy.filters.passing import Answer, Passing
from simulator.envoy.filters.ratelimit import of_route
from simulator.envoy.filters.small_config import LocalRateLimitConfig
from simulator.envoy.header_map import with_headers
from simulator.envoy.headers import mutate
from simulator.envoy.match import Subject
from simulator.envoy.rate_limit import Descriptor, descriptors
from simulator.envoy.route import RouteMatch
from simulator.envoy.route_table import Action
from simulator.envoy.token_bucket import TokenBucket
from simulator.observe.explain import Outcome, below

_RESOURCE_EXHAUSTED = 8
_SECOND_NS = 1_000_000_000


def decode(base: LocalRateLimitConfig, passing: Passing) -> Answer | None:
    """Take a token, or refuse the request."""
    config = passing.own if isinstance(passing.own, LocalRateLimitConfig) else base
    none = config.bucket is None and not config.descriptors
    if none or not _hit(config.enabled, "local rate limit enabled", passing):
        return None
    buckets = _buckets(config, passing)
    empty = next((one for one in buckets if not one.take(passing.now)), None)
    if buckets:
        passing.memory[passing.at] = config, empty or buckets[0]
    if empty is None:
        return None
    facts = passing.facts()
    enforced = _hit(config.enforced, "local rate limit enforced", passing)
    reason = f"the bucket of {empty.bucket.max_tokens} tokens is empty"
    outcome = Outcome.REJECTED if enforced else Outcome.NOTE
    passing.note("local rate limit", "over", reason, config.field, outcome=outcome)
    if not enforced:
        headers = mutate(config.request_headers, passing.request.headers, facts)
        passing.request = with_headers(passing.request, headers)
        return None
    return Answer(
        status=config.status,
        body="local_rate_limited",
        details="local_rate_limited",
        flag="RL",
        change=lambda headers: mutate(config.response_headers, headers, facts),
        grpc_status=_RESOURCE_EXHAUSTED if config.resource_exhausted else None,
    )


def _buckets(config: LocalRateLimitConfig, passing: Passing) -> list[TokenBucket]:
    """Return the buckets that a request takes a token of, in order."""
    matched = []
    for found in _descriptors(config, passing):
        taking = [one for one in config.descriptors if one.takes(found)]
        # One that names the very values goes before one that takes any.
        for one in ([one for one in taking if one.entries == found] or taking)[:1]:
            values = ",".join(value for _, value in found)
            field = below(one.field, f"entries({values})")
            matched.append(passing.lasting.bucket(field, one.bucket))
    matched.sort(key=lambda one: one.bucket.fill_rate)
    if config.bucket is not None and (not matched or config.always_consume):
        matched.append(passing.lasting.bucket(config.field, config.bucket))
    return matched


def _descriptors(config: LocalRateLimitConfig, passing: Passing) -> list[Descriptor]:
    match = passing.match
    forwards = isinstance(match, RouteMatch) and match.route.action is Action.ROUTE
    if not config.descriptors or not isinstance(match, RouteMatch) or not forwards:
        return []
    subject = Subject(passing.request, passing.draws.stream, passing.info)
    limits = config.rate_limits or of_route(match, config.vh_rate_limits, config.stage)
    return descriptors(limits, subject, match.cluster or "")


def encode(_: LocalRateLimitConfig, passing: Passing, response: Response) -> Response:
    """Tell how much is left, where that is wanted."""
    remembered = passing.memory.get(passing.at)
    if remembered is None or not remembered[0].x_ratelimit_headers:
        return response
    bucket: TokenBucket = remembered[1]
    reset_s = -(-bucket.wait_ns(passing.now) // _SECOND_NS)
    told = (
        ("x-ratelimit-limit", str(bucket.bucket.max_tokens)),
        ("x-ratelimit-remaining", str(bucket.remaining(passing.now))),
        ("x-ratelimit-reset", str(reset_s)),
    )
    return replace(response, headers=(*response.headers, *told))


def _hit(fraction: Fraction, name: str, passing: Passing) -> bool:
    return passing.draws.next(name) % fraction.denominator < fraction.numerator
