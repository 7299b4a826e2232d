"""Refuse requests that come faster than a token bucket of the proxy fills.

Models    envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
Follows   envoy/source/extensions/filters/http/local_ratelimit/local_ratelimit.cc
Leaves    descriptors, buckets of connections and of the cluster (docs/fidelity.md#rate-limits)
"""

from __future__ import annotations

from dataclasses import replace

from simulator.envoy.commands import Response
from simulator.envoy.filters.fault_config import Fraction
from simulator.envoy.filters.passing import Answer, Passing
from simulator.envoy.filters.small_config import LocalRateLimitConfig
from simulator.envoy.header_map import with_headers
from simulator.envoy.headers import mutate
from simulator.envoy.token_bucket import TokenBucket
from simulator.observe.explain import Outcome

_RESOURCE_EXHAUSTED = 8
_SECOND_NS = 1_000_000_000


def decode(base: LocalRateLimitConfig, passing: Passing) -> Answer | None:
    """Take a token, or refuse the request."""
    config = passing.own if isinstance(passing.own, LocalRateLimitConfig) else base
    if config.bucket is None or not _hit(config.enabled, "local rate limit enabled", passing):
        return None
    bucket = passing.lasting.bucket(config.field, config.bucket)
    passing.memory[passing.at] = config, bucket
    if bucket.take(passing.now):
        return None
    facts = passing.facts()
    enforced = _hit(config.enforced, "local rate limit enforced", passing)
    reason = f"the bucket of {config.bucket.max_tokens} tokens is empty"
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
