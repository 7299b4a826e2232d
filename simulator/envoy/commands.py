"""What a stream asks for and what it is told: commands out, events in.

The engine carries a command out (waits, sends a request over the network), then
tells the stream what happened by calling the event of that name, with the time:

- `Wait`: wait until `until_ns`, then call `resume`.
- `Call`: send `request` to `endpoint` for a filter, then call `on_told`; `None` where no
  answer came within `timeout_ns`.
- `Attempt`: send `request` to `endpoint` and arm the attempt's own timer; then call
  `on_response`, `on_reset` or `on_per_try_timeout`.
- `Queued`: wait for what the proxy's `turns` say of this stream, then call `on_turn`; the
  route's timer counts from here, too. Connections that the proxy's `connects` ask for are to
  be made.
- `Finish`: answer the client, cancel all that is under way; call nothing more.

A command may leave `Copy`s in the proxy's `copies`: requests to be sent beside it, each
with a stream of its own, whose answer nobody awaits.

An attempt that a command follows (a retry, or the end) is over: its late events are not
reported any more.
`on_timeout` (the route's timer, `Stream.timeout_ns`), `on_expiry` (the stream's own,
`Stream.lifetime`, from its start) and `on_disconnect` may come at any time before `Finish`.
An event that answers `None` changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from simulator.envoy.cluster import Endpoint
from simulator.envoy.header_map import Headers
from simulator.envoy.request import Request
from simulator.envoy.transport import ClientTls


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An HTTP response, whole."""

    status: int
    headers: Headers = ()
    body: str = ""
    meant: int = field(default=0, compare=False)
    """The status of an answer of the proxy's own that a gRPC client gets as 200; 0: `status`."""


class Reset(StrEnum):
    """Why an attempt ended without (the whole of) a response, in Envoy's words.

    Follows   envoy/http/codec.h StreamResetReason, source/common/http/utility.cc
    resetReasonToString
    """

    LOCAL_RESET = "local reset"
    LOCAL_REFUSED_STREAM = "local refused stream reset"
    REMOTE_RESET = "remote reset"
    REMOTE_REFUSED_STREAM = "remote refused stream reset"
    LOCAL_CONNECTION_FAILURE = "local connection failure"
    """This side could not connect: the TLS handshake failed here."""
    REMOTE_CONNECTION_FAILURE = "remote connection failure"
    """The endpoint refused the connection."""
    CONNECTION_TIMEOUT = "connection timeout"
    """No connection within the cluster's connect_timeout."""
    CONNECTION_TERMINATION = "connection termination"
    """The endpoint closed a connection that was in use."""
    OVERFLOW = "overflow"
    """A circuit breaker refused."""
    CONNECT_ERROR = "remote error with CONNECT request"
    PROTOCOL_ERROR = "protocol error"
    OVERLOAD_MANAGER = "overload manager reset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Call `resume` at `until_ns`: a fault's delay, or the back-off before a retry."""

    until_ns: int
    anew: bool = False
    """Whether the stream begins anew: the timers of the route and the stream do, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Ask a service in the name of a filter; `timeout_ns` is 0 where it may take for ever."""

    cluster: str
    endpoint: Endpoint
    request: Request
    timeout_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """Wait for a connection: one is being made, or a circuit breaker forbids to make one more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Send `request` to `endpoint`."""

    number: int
    """From 1."""
    cluster: str
    endpoint: Endpoint
    request: Request
    """As it goes upstream."""
    per_try_timeout_ns: int | None
    """From when a connection was ready; then `on_per_try_timeout`."""
    tls: ClientTls | None = None
    """How the endpoint is spoken to; None: in plain text."""
    alpn: tuple[str, ...] = ()
    """What the handshake offers, where a filter has said so."""
    connect_timeout_ns: int
    """How long connecting may take; then `on_reset(CONNECTION_TIMEOUT)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """Send a copy of a request to another cluster; its stream is `Proxy.copy`."""

    cluster: str
    request: Request
    timeout_ns: int
    """As long as the request may take that it is a copy of; 0: for ever."""


VIA_UPSTREAM = "via_upstream"
"""The details of a response that came from an endpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """Answer the client; the stream is over."""

    response: Response | None
    """`None` when the client is gone."""
    flags: tuple[str, ...]
    """Envoy's short response flags, in Envoy's order."""
    details: str
    attempts: int
    """How often the request was sent upstream."""


Command: TypeAlias = Wait | Call | Queued | Attempt | Finish
