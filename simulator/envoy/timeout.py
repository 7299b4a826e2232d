"""How long a request and each of its attempts may take.

Models    RouteAction.timeout, RetryPolicy.per_try_timeout, the time-out request headers
Follows   envoy/source/common/router/router.cc (FilterUtility::finalTimeout, setTimeoutHeaders)
Leaves    gRPC time-outs, stream durations and idle time-outs (docs/fidelity.md#timeouts)
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.envoy.header_map import first, replaced, with_headers, without
from simulator.envoy.request import Request
from simulator.envoy.retry_policy import RetryPolicy

MILLISECOND = 1_000_000

_GLOBAL = "x-envoy-upstream-rq-timeout-ms"
_PER_TRY = "x-envoy-upstream-rq-per-try-timeout-ms"
_EXPECTED = "x-envoy-expected-rq-timeout-ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """In milliseconds, as Envoy counts them; 0 means none."""

    route_ms: int
    per_try_ms: int
    ignored_per_try_ms: int = 0
    """A time-out per attempt that is not shorter than the route's, and so does nothing."""

    def expected_ms(self, elapsed_ms: int) -> int:
        """Return what the endpoint is told it has, 0 for nothing."""
        expected = self.per_try_ms or self.route_ms
        if expected and self.route_ms:
            # Out of time is 1 ms, since 0 would mean for ever.
            left = self.route_ms - elapsed_ms
            return min(expected, left) if left > 0 else 1
        return expected


def decide(
    route_timeout_ns: int, policy: RetryPolicy | None, request: Request, *, respect_expected: bool
) -> tuple[Timeouts, Request]:
    """Return the time-outs of a request, and the request without the headers that set them."""
    headers = request.headers
    route_ms = route_timeout_ns // MILLISECOND
    per_try_ms = (policy.per_try_timeout_ns if policy is not None else 0) // MILLISECOND
    expected = first(headers, _EXPECTED) if respect_expected else None
    asked = expected if expected is not None else first(headers, _GLOBAL)
    if asked is not None and asked.isdigit():
        route_ms = int(asked)
    if expected is None:
        headers = without(headers, {_GLOBAL})
    asked = first(headers, _PER_TRY)
    if asked:
        per_try_ms = int(asked) if asked.isdigit() else per_try_ms
        headers = without(headers, {_PER_TRY})
    ignored = 0
    if route_ms and per_try_ms >= route_ms:
        per_try_ms, ignored = 0, per_try_ms
    timeouts = Timeouts(route_ms=route_ms, per_try_ms=per_try_ms, ignored_per_try_ms=ignored)
    return timeouts, with_headers(request, headers)


def announce(timeouts: Timeouts, request: Request, elapsed_ms: int) -> Request:
    """Return the request with what the endpoint is told of its time."""
    expected = timeouts.expected_ms(elapsed_ms)
    if not expected:
        return request
    return with_headers(request, replaced(request.headers, _EXPECTED, str(expected)))
