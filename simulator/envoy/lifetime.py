"""How long a stream may last, whatever becomes of its attempts, and what ends it then.

Messages are whole here: on a stream that waits for its response nothing happens, so that it
idles from its start on.

Models    HttpConnectionManager.{stream_idle_timeout, max_stream_duration},
          RouteAction.{idle_timeout, max_stream_duration}
Follows   envoy/source/common/http/conn_manager_impl.cc (refreshDurationTimeout,
          refreshIdleTimeout, onStreamMaxDurationReached, onIdleTimeout)
Leaves    time-outs of messages that come in pieces (docs/fidelity.md#timeouts)
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.envoy.grpc import is_grpc
from simulator.envoy.header_map import first, replaced, with_headers
from simulator.envoy.http import HttpChain
from simulator.envoy.local_reply import Reply
from simulator.envoy.request import Request
from simulator.envoy.route import Action, NoRoute, RouteMatch
from simulator.envoy.route_table import StreamDuration
from simulator.envoy.timeout import MILLISECOND, parsed, written
from simulator.observe.explain import FieldRef, below

_DEADLINE_EXCEEDED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """How long a stream may last, from its start."""

    ns: int
    """0: for ever."""
    idle: bool
    """Whether it ends because nothing happens on it."""
    field: FieldRef

    @property
    def flag(self) -> str:
        """Return the response flag of a stream that ends so."""
        return "SI" if self.idle else ""

    @property
    def details(self) -> str:
        """Return what the access log says of it."""
        return "stream_idle_timeout" if self.idle else "max_duration_timeout"

    @property
    def reply(self) -> Reply:
        """Return what the client is told."""
        if self.idle:
            return Reply(status=504, body="stream timeout")
        body = "downstream duration timeout"
        return Reply(status=504, body=body, grpc_status=_DEADLINE_EXCEEDED)


FOREVER = Lifetime(ns=0, idle=False, field=FieldRef("listeners", ""))


def lifetime(
    chain: HttpChain, match: RouteMatch | NoRoute, request: Request
) -> tuple[Lifetime, Request]:
    """Return a stream's lifetime, and its request with what a gRPC endpoint is told of it."""
    route = match.route if isinstance(match, RouteMatch) else None
    if route is not None and route.action is not Action.ROUTE:
        route = None
    own = route.stream_duration if route is not None else None
    duration_ns, field = chain.max_stream_duration_ns or 0, chain.field
    if route is not None and own is not None:
        deadline_ms = parsed(first(request.headers, "grpc-timeout"))
        if own.grpc_header_max_ns is not None and deadline_ms is not None:
            duration_ns = _within(own, deadline_ms * MILLISECOND)
            field = below(route.field, "route.max_stream_duration.grpc_timeout_header_max")
        elif own.max_ns is not None:
            duration_ns = own.max_ns
            field = below(route.field, "route.max_stream_duration.max_stream_duration")
        if duration_ns and is_grpc(request):
            told = replaced(request.headers, "grpc-timeout", written(duration_ns // MILLISECOND))
            request = with_headers(request, told)
    idle_ns, idle_field = chain.stream_idle_timeout_ns, below(chain.field, "stream_idle_timeout")
    if route is not None and route.idle_timeout_ns is not None:
        idle_ns, idle_field = route.idle_timeout_ns, below(route.field, "route.idle_timeout")
    if idle_ns and (not duration_ns or idle_ns < duration_ns):
        return Lifetime(ns=idle_ns, idle=True, field=idle_field), request
    return Lifetime(ns=duration_ns, idle=False, field=field), request


def _within(own: StreamDuration, deadline_ns: int) -> int:
    """Return what a gRPC client's deadline makes of a stream's duration; it ends, then."""
    most_ns = own.grpc_header_max_ns
    if most_ns and not 0 < deadline_ns <= most_ns:
        deadline_ns = most_ns
    return max(deadline_ns - own.grpc_header_offset_ns, 1)
