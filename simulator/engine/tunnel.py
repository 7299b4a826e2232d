"""A request that crosses a proxy as bytes: the proxy carries a connection and reads nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from simulator.engine.exchange import Trace
from simulator.engine.network import Answer, Delivery, Failure, Local, Sender, deliver, reset_of
from simulator.engine.opening import PLAIN, Opening
from simulator.envoy.access_log import AccessLog, Record
from simulator.envoy.cluster import Endpoint
from simulator.envoy.commands import Reset, Response
from simulator.envoy.connection import Connection
from simulator.envoy.format_commands import Facts
from simulator.envoy.listener import Accepted
from simulator.envoy.request import Request
from simulator.envoy.transport import Hello
from simulator.observe.explain import Node

if TYPE_CHECKING:
    from simulator.engine.proxy_node import ProxyNode


class Tunnel:
    """A connection inside one proxy, from its arrival to its end; each carries one request."""

    __slots__ = ("_delivery", "_opening", "_request", "_sender", "_session", "accepted",
                 "connection", "direction", "ended_ns", "node", "parent", "received_ns", "secured",
                 "sent_ns", "span", "trace", "waited_ns")  # fmt: skip

    protocol: str | None = None

    def __init__(
        self,
        node: ProxyNode,
        direction: str,
        accepted: Accepted,
        sender: Sender,
        trace: Trace,
        opening: Opening = PLAIN,
    ) -> None:
        """Take an `opening` as it goes on: without its hello, if that TLS ends here."""
        self._sender = sender
        self._opening = opening
        self.secured: Hello | None = None
        self._delivery: Delivery | Local | None = None
        self.node = node
        self.direction = direction
        self.accepted = accepted
        self.trace = trace
        self.received_ns: int = node.world.agenda.now
        self.ended_ns = -1
        self.span = trace.span()
        self.parent = sender.span
        self.sent_ns = -1
        self.waited_ns = 0

    @property
    def request_id(self) -> str:
        """Return what the sender says: nothing is read here."""
        return self._sender.request_id

    def start(self, connection: Connection, request: Request) -> None:
        """Take the connection with what comes along it."""
        node, playback = self.node, self.trace.playback
        assert self.accepted.tcp is not None, "only TCP is carried"
        self._request = request
        self.connection = connection
        self._session = node.proxy.session(
            self.accepted.tcp,
            connection,
            node.chance.begin(),
            forced=playback.claim(node.pod, self.direction) if playback else None,
        )
        self._connect(self._session.start(self.received_ns))

    def _connect(self, endpoint: Endpoint | None) -> None:
        if endpoint is None:
            self._leave(Reset.CONNECTION_TERMINATION)
            return
        self.sent_ns = self.node.world.agenda.now
        self.secured = self.node.greet(self._session.tls)
        # TLS that does not end here goes on as it came.
        opening = self._opening.secured(self.secured) if self.secured else self._opening
        way = self.node.way(self.direction, endpoint, opening, self.secured)
        self._delivery = deliver(self, self.node, way, self._request, self.trace)
        self._delivery.send()

    def answer(self, answer: Answer) -> None:
        """Take what comes back along the connection."""
        if isinstance(answer, Response):
            self._session.end()
            self._leave(answer)
        elif self._opening.hello and self.secured is None and isinstance(answer, Failure):
            # The bytes were carried to and fro; it is the client who cannot read them.
            self._session.end()
            self._leave(answer)
        elif reset_of(answer) is Reset.REMOTE_CONNECTION_FAILURE:
            self._connect(self._session.failure())
        else:
            self._session.end()
            self._leave(Reset.CONNECTION_TERMINATION)

    def queued(self, waited_ns: int) -> None:
        """Take notice of how long the workload let it wait."""
        self.waited_ns += waited_ns

    def disconnect(self) -> None:
        """Take notice that the client has closed the connection."""
        if self.ended_ns < 0:
            if self._delivery is not None:
                self._delivery.abandon()
            self._session.end()
            self._leave(None)

    def record(self) -> Record:
        """Return what the access log would say."""
        return self._session.record()

    def entries(self) -> Iterator[tuple[AccessLog, Facts]]:
        """Yield the access logs that tell of it, and what they speak of."""
        return self._session.entries(self.ended_ns, self.accepted.listener.access_logs)

    def facts(self) -> Facts:
        """Return what is counted of it."""
        return self._session.facts(self.ended_ns)

    @property
    def reasons(self) -> Node:
        """Return what became of the connection, and why."""
        return self._session.node

    @property
    def outcome(self) -> str:
        """Return what became of it, in a few words."""
        flags = ",".join(self._session.record().flags)
        return f"cuts the connection off with {flags}" if flags else "carries the connection as TCP"

    def _leave(self, answer: Answer | None) -> None:
        self._delivery = None
        self.ended_ns = self.node.world.agenda.now
        self.node.world.leave(self)
        if answer is not None:
            self._sender.answer(answer)
