"""How long a request and each of its attempts may take.

Models    RouteAction.{timeout, max_grpc_timeout, grpc_timeout_offset},
          RetryPolicy.{per_try_timeout, per_try_idle_timeout}, Cluster's max_stream_duration,
          the time-out request headers
Follows   envoy/source/common/router/router.cc (FilterUtility::finalTimeout, setTimeoutHeaders),
          source/common/grpc/common.cc (getGrpcTimeout, toGrpcTimeout)
Leaves    time-outs of messages that come in pieces (docs/fidelity.md#timeouts)
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from simulator.envoy.grpc import is_grpc
from simulator.envoy.header_map import first, replaced, with_headers, without
from simulator.envoy.request import Request
from simulator.envoy.route_table import RouteEntry

MILLISECOND = 1_000_000

_GLOBAL = "x-envoy-upstream-rq-timeout-ms"
_PER_TRY = "x-envoy-upstream-rq-per-try-timeout-ms"
_EXPECTED = "x-envoy-expected-rq-timeout-ms"
_GRPC = "grpc-timeout"
_DURATION = "x-envoy-upstream-stream-duration-ms"
_GRPC_UNIT_NS = {
    "H": 3_600_000 * MILLISECOND,
    "M": 60_000 * MILLISECOND,
    "S": 1_000 * MILLISECOND,
    "m": MILLISECOND,
    "u": 1_000,
    "n": 1,
}
_GRPC_DIGITS = 8


class Ending(StrEnum):
    """Why an attempt is given up; the values are Envoy's details."""

    PER_TRY = "upstream_per_try_timeout"
    IDLE = "upstream_per_try_idle_timeout"
    DURATION = "upstream_max_stream_duration_reached"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """In milliseconds, as Envoy counts them; 0 means none."""

    route_ms: int
    per_try_ms: int
    ignored_per_try_ms: int = 0
    """A time-out per attempt that is not shorter than the route's, and so does nothing."""
    grpc: bool = False
    """Whether a gRPC endpoint is told in its own header."""
    per_try_idle_ms: int = 0
    duration_ms: int | None = None
    """How long each attempt may last, instead of what its cluster says."""

    def ending(self, cluster_ms: int) -> tuple[Ending, int]:
        """Return what ends an attempt first, and when; `cluster_ms` is its cluster's limit."""
        found = (
            (self.per_try_ms, Ending.PER_TRY),
            # Messages are whole: an endpoint that is silent is idle.
            (self.per_try_idle_ms, Ending.IDLE),
            (cluster_ms if self.duration_ms is None else self.duration_ms, Ending.DURATION),
        )
        limit_ms, ending = min((each for each in found if each[0]), default=found[0])
        return ending, limit_ms

    def expected_ms(self, elapsed_ms: int) -> int:
        """Return what the endpoint is told it has, 0 for nothing."""
        expected = self.per_try_ms or self.route_ms
        if expected and self.route_ms:
            # Out of time is 1 ms, since 0 would mean for ever.
            left = self.route_ms - elapsed_ms
            return min(expected, left) if left > 0 else 1
        return expected


def decide(
    route: RouteEntry, request: Request, *, respect_expected: bool
) -> tuple[Timeouts, Request]:
    """Return the time-outs of a request, and the request without the headers that set them."""
    headers, policy = request.headers, route.retry_policy
    old_way = route.stream_duration is None
    grpc = old_way and route.max_grpc_timeout_ns is not None and is_grpc(request)
    route_ms = route.timeout_ns // MILLISECOND if old_way else 0
    if grpc:
        route_ms = _grpc_ms(route, first(headers, _GRPC))
    per_try_ms = (policy.per_try_timeout_ns if policy is not None else 0) // MILLISECOND
    expected = first(headers, _EXPECTED) if respect_expected else None
    asked = expected if expected is not None else first(headers, _GLOBAL)
    if asked is not None and asked.isdigit():
        route_ms = int(asked)
    if expected is None:
        headers = without(headers, {_GLOBAL})
    duration_ms = None
    asked = first(headers, _DURATION)
    if asked is not None:
        duration_ms = int(asked) if asked.isdigit() else None
        headers = without(headers, {_DURATION})
    asked = first(headers, _PER_TRY)
    if asked:
        per_try_ms = int(asked) if asked.isdigit() else per_try_ms
        headers = without(headers, {_PER_TRY})
    ignored = 0
    if route_ms and per_try_ms >= route_ms:
        per_try_ms, ignored = 0, per_try_ms
    timeouts = Timeouts(
        route_ms=route_ms,
        per_try_ms=per_try_ms,
        ignored_per_try_ms=ignored,
        grpc=grpc,
        per_try_idle_ms=policy.per_try_idle_timeout_ns // MILLISECOND if policy is not None else 0,
        duration_ms=duration_ms,
    )
    return timeouts, with_headers(request, headers)


def _grpc_ms(route: RouteEntry, deadline: str | None) -> int:
    """Return what a gRPC client's deadline makes of the route's time-out; 0 is none at all."""
    most_ms = (route.max_grpc_timeout_ns or 0) // MILLISECOND
    offset_ms = (route.grpc_timeout_offset_ns or 0) // MILLISECOND
    asked_ms = parsed(deadline) or 0
    if offset_ms < asked_ms:
        asked_ms -= offset_ms
    return most_ms if most_ms and not 0 < asked_ms <= most_ms else asked_ms


def parsed(deadline: str | None) -> int | None:
    """Return the milliseconds of a `grpc-timeout`; None where there is none."""
    if not deadline or deadline[-1] not in _GRPC_UNIT_NS:
        return None
    amount = deadline[:-1]
    if not amount.isdigit() or len(amount) > _GRPC_DIGITS:
        return None
    return -(-int(amount) * _GRPC_UNIT_NS[deadline[-1]] // MILLISECOND)


def written(milliseconds: int) -> str:
    """Return milliseconds as a `grpc-timeout` has them, in the finest unit with eight digits."""
    for unit in "mSM":
        amount = milliseconds * MILLISECOND // _GRPC_UNIT_NS[unit]
        if amount < 10**_GRPC_DIGITS:
            return f"{amount}{unit}"
    return f"{milliseconds * MILLISECOND // _GRPC_UNIT_NS['H']}H"


def announce(
    timeouts: Timeouts, request: Request, elapsed_ms: int, *, suppress: bool = False
) -> Request:
    """Return the request with what the endpoint is told of its time.

    `suppress` leaves Envoy's own header out, not gRPC's.
    """
    expected = timeouts.expected_ms(elapsed_ms)
    if not expected:
        return request
    headers = request.headers
    if not suppress:
        headers = replaced(headers, _EXPECTED, str(expected))
    if timeouts.grpc:
        headers = replaced(headers, _GRPC, written(expected))
    return with_headers(request, headers)
