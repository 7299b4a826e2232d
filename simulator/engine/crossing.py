"""A request or a connection inside one proxy, as those see it who look on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from simulator.envoy.access_log import AccessLog, Record
from simulator.envoy.connection import Connection
from simulator.envoy.format_commands import Facts
from simulator.envoy.listener import Accepted
from simulator.envoy.transport import Hello
from simulator.observe.explain import Node

if TYPE_CHECKING:
    from simulator.engine.exchange import Trace
    from simulator.engine.proxy_node import ProxyNode


class Crossing(Protocol):
    """A request inside one proxy, as HTTP or as the bytes of a connection."""

    @property
    def node(self) -> ProxyNode:
        """Return the proxy."""
        ...

    @property
    def direction(self) -> str:
        """Return `outbound`, `inbound` or `gateway`."""
        ...

    @property
    def accepted(self) -> Accepted:
        """Return where its connection ended in the proxy."""
        ...

    @property
    def connection(self) -> Connection:
        """Return the connection that it came on."""
        ...

    @property
    def secured(self) -> Hello | None:
        """Return how the connection that it went on by was opened; None: in plain text."""
        ...

    @property
    def trace(self) -> Trace:
        """Return the client's request that caused it."""
        ...

    @property
    def protocol(self) -> str | None:
        """Return what the proxy reads, if anything."""
        ...

    @property
    def received_ns(self) -> int:
        """Return when it came."""
        ...

    @property
    def ended_ns(self) -> int:
        """Return when the proxy was done with it; -1 before."""
        ...

    @property
    def span(self) -> int:
        """Return its number among those that the client's request caused."""
        ...

    @property
    def parent(self) -> int:
        """Return the number of the one that caused it; -1: the client itself did."""
        ...

    @property
    def sent_ns(self) -> int:
        """Return when its last attempt was sent; -1 where none was."""
        ...

    @property
    def waited_ns(self) -> int:
        """Return how long it backed off, or its workload's line kept it."""
        ...

    @property
    def outcome(self) -> str:
        """Return what became of it, in a few words."""
        ...

    @property
    def reasons(self) -> Node | None:
        """Return why; absent unless asked for."""
        ...

    def record(self) -> Record:
        """Return what the access log would say."""
        ...

    def entries(self) -> Iterator[tuple[AccessLog, Facts]]:
        """Yield the access logs that tell of it, and what they speak of."""
        ...

    def facts(self) -> Facts:
        """Return what is counted of it."""
        ...
