"""Where requests enter proxies, and how they leave them: what is the same for many of them.

Nothing here is decided anew for each request: a connection ends in the same filter chain,
and an attempt that is remembered goes the same way, as long as no configuration changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.engine.draws import Sampler
from simulator.engine.opening import HTTP2, Opening
from simulator.envoy.commands import Attempt
from simulator.envoy.connection import Connection
from simulator.envoy.courses import Courses
from simulator.envoy.listener import Accepted
from simulator.envoy.transport import Hello
from simulator.istiod.registry import Pod

if TYPE_CHECKING:
    from simulator.engine.proxy_node import ProxyNode
    from simulator.engine.workload import Replica


class Entrance:
    """A connection that has found its HTTP chain in a proxy."""

    __slots__ = ("accepted", "connection", "courses", "direction", "is_open", "node", "protocol")

    def __init__(
        self,
        node: ProxyNode,
        direction: str,
        accepted: Accepted,
        connection: Connection,
        speaks: str,
    ) -> None:
        assert accepted.http is not None, "only HTTP passes as a stream"
        self.node = node
        self.direction = direction
        """`outbound`, `inbound` or `gateway`"""
        self.accepted = accepted
        self.connection = connection
        self.protocol = "HTTP/2" if speaks == HTTP2 else "HTTP/1.1"
        self.courses = Courses(node.proxy, accepted.http, connection)
        self.is_open = True
        """Whether it still leads there."""


class Way:
    """How requests get from a pod to an address."""

    __slots__ = ("attempt", "entrance", "is_local", "one_way", "opening", "place", "replica",
                 "secured", "source")  # fmt: skip

    def __init__(
        self,
        source: Pod | None,
        one_way: Sampler,
        place: tuple[str, int],
        opening: Opening,
        *,
        is_local: bool = False,
        secured: Hello | None = None,
        attempt: Attempt | None = None,
    ) -> None:
        self.source = source
        self.one_way = one_way
        """How long the network takes."""
        self.place = place
        self.opening = opening
        self.is_local = is_local
        """Whether the workload is beside the proxy, without a network between."""
        self.secured = secured
        self.attempt = attempt
        """The one that goes this way each time it is made, if it is remembered."""
        self.entrance: Entrance | None = None
        """Where it ends, once that is known to be the same each time."""
        self.replica: Replica | None = None
        """The workload that it ends at, likewise."""
