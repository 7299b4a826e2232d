"""Decide which delay and which abort a request meets before it is routed upstream.

Both are rolled for on their own, with fresh random numbers: not with the one that a
stream's other fractions share. A delayed request may be aborted after its delay. As the
filter stands before the router, its faults are neither retried nor timed out here.

Models    envoy.extensions.filters.http.fault.v3.HTTPFault
Follows   envoy/source/extensions/filters/http/fault/fault_filter.cc,
          source/extensions/filters/common/fault/fault_config.cc
Leaves    response rate limits, downstream nodes, runtime keys (docs/fidelity.md#fault)
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.envoy.draws import Draws
from simulator.envoy.filters.fault_config import Abort, Delay, FaultConfig, Fraction
from simulator.envoy.filters.passing import Answer, Hold, Passing, Verdict
from simulator.envoy.request import Request

DETAILS = "fault_filter_abort"
BODY = "fault filter abort"

_MILLISECOND = 1_000_000
_DELAY = "x-envoy-fault-delay-request"
_ABORT = "x-envoy-fault-abort-request"
_GRPC_ABORT = "x-envoy-fault-abort-grpc-request"


@dataclass(frozen=True, slots=True)
class Abortion:
    """The answer that an abort gives."""

    http_status: int
    grpc_status: int | None = None


def decode(base: FaultConfig, passing: Passing) -> Verdict | None:
    """Hold a request back, answer it, or let it go on; a route's own faults replace all."""
    config = passing.own if isinstance(passing.own, FaultConfig) else base
    if (config.delay is None and config.abort is None) or not applies(
        config, passing.request, passing.cluster
    ):
        return None
    active, limit = passing.lasting.faults, config.max_active_faults
    request, draws, forced = passing.request, passing.draws, passing.forced
    if passing.at not in passing.memory:
        wait_ns = delay_ns(config, request, draws, forced=forced.delayed)
        if wait_ns is not None and active.enter(passing, passing.field, limit):
            passing.memory[passing.at] = True
            passing.flag("DI")
            reason = f"the request is delayed by {wait_ns // _MILLISECOND} ms"
            passing.note("fault", "delay", reason, config.delay.field if config.delay else None)
            return Hold(until_ns=passing.now + wait_ns)
    answer = abortion(config, request, draws, forced=forced.aborted)
    if answer is None or not active.enter(passing, passing.field, limit):
        active.leave(passing)
        return None
    passing.flag("FI")
    reason = f"the request is answered {answer.http_status} here, and goes no further"
    passing.note("fault", "abort", reason, config.abort.field if config.abort else None)
    return Answer(
        status=answer.http_status, body=BODY, details=DETAILS, grpc_status=answer.grpc_status
    )


def applies(config: FaultConfig, request: Request, cluster: str | None) -> bool:
    """Say whether the filter looks at this request at all."""
    if config.upstream_cluster and config.upstream_cluster != cluster:
        return False
    return all(matcher.matches(request.values(matcher.name)) for matcher in config.headers)


def delay_ns(
    config: FaultConfig, request: Request, draws: Draws, *, forced: bool | None = None
) -> int | None:
    """Return how long the request is held back, or `None` if it is not."""
    delay = config.delay
    if delay is None or not _hit(delay, request, draws, forced, "fault delay", _DELAY):
        return None
    if not delay.by_header:
        duration_ms = delay.fixed_ns // _MILLISECOND
    else:
        value = request.first(_DELAY)
        if value is None or not value.isdigit():
            return None
        duration_ms = int(value)
    return duration_ms * _MILLISECOND or None


def abortion(
    config: FaultConfig, request: Request, draws: Draws, *, forced: bool | None = None
) -> Abortion | None:
    """Return the answer that the request gets instead of being routed, if any."""
    abort = config.abort
    if abort is None or not _hit(abort, request, draws, forced, "fault abort", _ABORT):
        return None
    if not abort.by_header:
        http, grpc = abort.http_status, abort.grpc_status
    else:
        http = _number(request.first(_ABORT))
        http = http if http is not None and 200 <= http < 600 else None
        grpc = _number(request.first(_GRPC_ABORT))
    if http is not None:
        return Abortion(http)
    return Abortion(200, grpc) if grpc is not None else None


def _hit(
    fault: Delay | Abort,
    request: Request,
    draws: Draws,
    forced: bool | None,  # noqa: FBT001 - a choice made elsewhere
    name: str,
    header: str,
) -> bool:
    if forced is not None:
        return forced
    fraction = fault.fraction
    if fault.by_header:
        asked = _number(request.first(f"{header}-percentage"))
        if asked is not None:
            # A request may ask for less than is configured, never for more.
            fraction = Fraction(
                numerator=min(asked, fraction.numerator), denominator=fraction.denominator
            )
    return draws.next(name) % fraction.denominator < fraction.numerator


def _number(value: str | None) -> int | None:
    return int(value) if value is not None and value.isdigit() else None
