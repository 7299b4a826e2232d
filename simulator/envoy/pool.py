"""The connections from a proxy to one host: which one a request gets, and who waits.

A request takes a connection that is ready. Where there is none, it waits until one is
made, which the cluster's `max_connections` may forbid; how many may wait is limited too.
Whoever waits is told later: each pool writes into the `turns` of its proxy. The proxy's
driver makes the connections that pools write into `connects`; where there is no such line,
each is made at once.

Models    Cluster.{circuit_breakers, connect_timeout}, max_requests_per_connection,
          max_concurrent_streams
Follows   envoy/source/common/conn_pool/conn_pool_base.cc, common/http/{http1,http2}/conn_pool.cc
Leaves    preconnecting, idle time-outs (docs/fidelity.md#connection-pool)
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from simulator.envoy.balance import Host
from simulator.envoy.cluster import Endpoint
from simulator.envoy.commands import Reset
from simulator.envoy.resources import Resources

Waiter = TypeVar("Waiter")

UNLIMITED = 2**62


class Limit(StrEnum):
    """Which circuit breaker refused; the names are those of the fields."""

    REQUESTS = "max_requests"
    PENDING = "max_pending_requests"


@dataclass(frozen=True, slots=True)
class Overflow:
    """A circuit breaker refused a request."""

    limit: Limit
    count: int
    """How many are under way or waiting: as many as there may be."""


class Client:
    """One connection."""

    __slots__ = ("closed", "connecting", "left", "ready", "streams")

    def __init__(self, lifetime: int) -> None:
        self.streams = 0
        """Requests under way on it."""
        self.left = lifetime
        """How many more requests it may carry."""
        self.ready = False
        """Whether it can take another request."""
        self.connecting = False
        self.closed = False


@dataclass(frozen=True, slots=True)
class Turn(Generic[Waiter]):
    """The end of someone's waiting."""

    waiter: Waiter
    outcome: Client | Overflow | Reset


@dataclass(frozen=True, slots=True)
class Connect:
    """A connection to be made; its maker calls `done` or `fail`."""

    pool: Pool[Any]
    client: Client
    endpoint: Endpoint
    timeout_ns: int
    """How long making it may take; then it has failed with `CONNECTION_TIMEOUT`."""
    tls: bool

    def done(self) -> None:
        """Take it: those who wait may have their turn."""
        self.pool.connected(self.client)

    def fail(self, reason: Reset) -> None:
        """Give it up, and with it everyone who waits."""
        self.pool.give_up(self.client, reason)


class Pool(Generic[Waiter]):
    """The connections to one host in one routing priority."""

    __slots__ = (
        "_coming", "_concurrent", "_connect_timeout_ns", "_connects", "_draining", "_host",
        "_lifetime", "_open", "_pending", "_ready", "_resources", "_tls",
        "_turns",
    )  # fmt: skip

    def __init__(
        self,
        host: Host,
        resources: Resources,
        turns: deque[Turn[Waiter]],
        *,
        concurrent: int = 1,
        lifetime: int = UNLIMITED,
        connects: deque[Connect] | None = None,
        connect_timeout_ns: int = 0,
        tls: bool = False,
    ) -> None:
        """`concurrent` requests share a connection (HTTP/1.1: 1), `lifetime` in all.

        `connects` is told which are to be made; without it, they are there at once.
        """
        self._host = host
        self._resources = resources
        self._turns = turns
        self._concurrent = concurrent
        self._lifetime = lifetime
        self._ready: list[Client] = []
        """Those that can take another request; the last one was used last."""
        self._open = 0
        self._coming = 0
        """How many requests the connections can take that are being made."""
        self._connects = connects
        self._connect_timeout_ns = connect_timeout_ns
        self._tls = tls
        self._pending: deque[Waiter] = deque()
        self._draining = False

    def request(self, waiter: Waiter) -> Client | Overflow | None:
        """Return a connection for a request; `None`: it waits for its turn."""
        if self._ready:
            return self._attach()
        resources = self._resources
        if resources.pending >= resources.limits.max_pending_requests:
            return Overflow(Limit.PENDING, resources.pending)
        if self._connects is None and self._may_open():
            self._connect()
            return self._attach()
        self._pending.append(waiter)
        resources.pending += 1
        self._provide()
        return None

    @property
    def full(self) -> bool:
        """Say whether more wait than can be served by the connections that are being made."""
        return len(self._pending) > self._coming

    def take(self) -> Client | None:
        """Return a connection for a request; `None`: not at once, and nothing has changed."""
        resources = self._resources
        limits = resources.limits
        if resources.requests >= limits.max_requests:
            return None
        if not self._ready:
            made_at_once = self._connects is None and self._may_open()
            if not made_at_once or resources.pending >= limits.max_pending_requests:
                return None
            self._connect()
        return self._use()

    def cancel(self, waiter: Waiter) -> None:
        """Take notice that a request waits no more."""
        if waiter in self._pending:
            self._pending.remove(waiter)
            self._resources.pending -= 1
            return
        # Its turn has come, but nobody has told it yet.
        for turn in [each for each in self._turns if each.waiter is waiter]:
            self._turns.remove(turn)
            if isinstance(turn.outcome, Client):
                self.end(turn.outcome)

    def end(self, client: Client, failure: Reset | None = None) -> None:
        """Take the end of a request; `failure` is why, if it had no (whole) response."""
        client.streams -= 1
        self._host.active -= 1
        self._resources.requests -= 1
        # A connection for one request at a time cannot be used after half of a response.
        if failure is not None and (self._concurrent == 1 or failure in _FATAL):
            self._close(client)
        elif not client.closed and (client.left == 0 or self._draining):
            if client.streams == 0:
                self._close(client)
        elif not client.closed and not client.ready:
            client.ready = True
            self._ready.append(client)
        if failure in _CONNECT_FAILURES:
            self._fail(failure)
        self._serve()

    def connected(self, client: Client) -> None:
        """Take a connection that was made."""
        if self._arrive(client):
            client.ready = True
            self._ready.append(client)
            self._serve()
            if self._draining and client.streams == 0:
                self._close(client)

    def give_up(self, client: Client, reason: Reset) -> None:
        """Take the failure of a connection: one failed connect fails everyone who waits."""
        if self._arrive(client):
            self._close(client)
            self._fail(reason)

    def drain(self) -> None:
        """Close what is idle, and the rest once it is: the host is gone."""
        self._draining = True
        for client in [each for each in self._ready if each.streams == 0]:
            self._close(client)
        for client in self._ready:
            client.ready = False
        self._ready.clear()

    def _may_open(self) -> bool:
        # A host without any connection gets one, however many there are to others.
        resources = self._resources
        return resources.connections < resources.limits.max_connections or self._open == 0

    def _connect(self) -> None:
        client = Client(self._lifetime)
        self._open += 1
        self._host.connections += 1
        self._host.opened += 1
        self._resources.connections += 1
        if self._connects is None:
            client.ready = True
            self._ready.append(client)
            return
        client.connecting = True
        self._coming += min(self._concurrent, self._lifetime)
        self._connects.append(
            Connect(self, client, self._host.endpoint, self._connect_timeout_ns, self._tls)
        )

    def _arrive(self, client: Client) -> bool:
        """Note that a connection is no longer being made; say whether it is still wanted."""
        if client.connecting:
            client.connecting = False
            self._coming -= min(self._concurrent, self._lifetime)
        return not client.closed

    def _provide(self) -> None:
        """Have connections made for those who wait, as far as they are not on their way."""
        if self._connects is None:
            if self._may_open():
                self._connect()
            return
        while self.full and self._may_open():
            self._connect()

    def _close(self, client: Client) -> None:
        if client.closed:
            return
        client.closed = True
        self._open -= 1
        self._host.connections -= 1
        self._resources.connections -= 1
        if client.ready:
            client.ready = False
            self._ready.remove(client)

    def _attach(self) -> Client | Overflow:
        """Put a request on the connection that was used last."""
        resources = self._resources
        if resources.requests >= resources.limits.max_requests:
            return Overflow(Limit.REQUESTS, resources.requests)
        return self._use()

    def _use(self) -> Client:
        client = self._ready[-1]
        client.left -= 1
        client.streams += 1
        if client.left == 0 or client.streams >= self._concurrent:
            client.ready = False
            self._ready.pop()
        self._host.active += 1
        self._resources.requests += 1
        return client

    def _serve(self) -> None:
        """Give connections to those who wait, first come, first served."""
        while self._pending:
            if not self._ready:
                self._provide()
                if not self._ready:
                    return
            self._turn(self._attach())

    def _fail(self, reason: Reset) -> None:
        """Fail everyone who waits."""
        while self._pending:
            self._turn(reason)

    def _turn(self, outcome: Client | Overflow | Reset) -> None:
        self._resources.pending -= 1
        self._turns.append(Turn(self._pending.popleft(), outcome))


_CONNECT_FAILURES = (
    Reset.LOCAL_CONNECTION_FAILURE,
    Reset.REMOTE_CONNECTION_FAILURE,
    Reset.CONNECTION_TIMEOUT,
)
_FATAL = (*_CONNECT_FAILURES, Reset.CONNECTION_TERMINATION)
"""What ends a connection with all that is on it."""
