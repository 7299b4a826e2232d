"""One attempt of a request: the host it goes to, and the connection it is on or waits for.

Follows   envoy/source/common/router/upstream_request.cc
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simulator.envoy.balance import Host
from simulator.envoy.commands import Reset, Response
from simulator.envoy.draws import Draws
from simulator.envoy.outlier import Result
from simulator.envoy.pool import Client, Overflow, Pool
from simulator.envoy.upstream import Upstream


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """An attempt that has ended."""

    cluster: str
    host: str
    """`ip:port`"""
    connected: bool
    result: Result | None
    """None: it was given up."""
    status: int | None
    """What it counts as."""


class UpstreamRequest:
    """What one attempt holds of its cluster, until it ends."""

    __slots__ = (
        "_pool", "_waiting", "client", "host", "responded_ns", "sent_ns", "transport_failure",
        "upstream",
    )  # fmt: skip

    def __init__(self, upstream: Upstream, host: Host, pool: Pool[Any]) -> None:
        self.upstream = upstream
        self.host = host
        self._pool = pool
        self._waiting = False
        self.client: Client | None = None
        self.sent_ns: int | None = None
        self.responded_ns: int | None = None
        self.transport_failure = ""
        """Why there is no connection, in the transport socket's words."""

    def connect(self, waiter: Any) -> Client | Overflow | None:  # noqa: ANN401 - whoever waits
        """Return the connection for it; `None`: `waiter` gets its turn later."""
        outcome = self._pool.request(waiter)
        self._waiting = outcome is None
        if isinstance(outcome, Client):
            self.client = outcome
        return outcome

    def wait(self) -> None:
        """Take notice that it waits for a connection, in the name of another."""
        self._waiting = True

    @property
    def held_up(self) -> bool:
        """Say whether a circuit breaker keeps it from a connection of its own."""
        return self._pool.full

    def report(self, now: int, draws: Draws, result: Result, status: int | None = None) -> None:
        """Tell outlier detection, if there is any, what became of it."""
        outliers = self.upstream.outliers
        if outliers is not None and not self._waiting:
            outliers.report(self.host, result, now, draws, status)

    def heed(self, now: int, response: Response) -> None:
        """Let the host's response say that it wants no more requests."""
        if self.upstream.health is not None:
            self.upstream.heed(self.host, response, now)

    def take(self, outcome: Client | Overflow | Reset) -> None:
        """Take what waiting came to."""
        self._waiting = False
        if isinstance(outcome, Client):
            self.client = outcome

    def end(self, waiter: Any, failure: Reset | None = None) -> None:  # noqa: ANN401 - as above
        """Give back what it holds; `failure` is why, if it had no (whole) response."""
        if self._waiting:
            self._pool.cancel(waiter)
            self._waiting = False
        elif self.client is not None:
            self._pool.end(self.client, failure)
            self.client = None
