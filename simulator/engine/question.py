"""What a filter asks a service, until it is answered or too late."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.engine.network import Answer, deliver
from simulator.engine.opening import of_http
from simulator.envoy.commands import Call, Response

if TYPE_CHECKING:
    from simulator.engine.exchange import Passage


class Question:
    """What a filter of a passage asks a service, until it is answered or too late."""

    __slots__ = ("_asker", "_delivery", "_passage", "_timer", "span")

    def __init__(self, passage: Passage, call: Call) -> None:
        node = passage.node
        self._passage: Passage | None = passage
        self._asker = passage
        self.span = passage.span
        timers = node.world.agenda.timers(call.timeout_ns) if call.timeout_ns else None
        self._timer = timers.start(self._expire) if timers is not None else None
        hello = node.greet(node.proxy.upstreams[call.cluster].cluster.tls(call.endpoint))
        way = node.way(passage.direction, call.endpoint, of_http(hello))
        self._delivery = deliver(self, node, way, call.request, passage.trace)

    @property
    def request_id(self) -> str:
        """Return the id of the request that it is about."""
        return self._asker.request_id

    def send(self) -> None:
        """Set off."""
        self._delivery.send()

    def answer(self, answer: Answer) -> None:
        """Take what the service said."""
        passage = self._end()
        if passage is not None:
            passage.told(answer if isinstance(answer, Response) else None)

    def queued(self, waited_ns: int) -> None:
        """Ignore how long the service let it wait."""

    def abandon(self) -> None:
        """Give it up: nobody waits for the answer."""
        if self._end() is not None:
            self._delivery.abandon()

    def _expire(self, _: object) -> None:
        passage = self._end()
        if passage is not None:
            self._delivery.abandon()
            passage.told(None)

    def _end(self) -> Passage | None:
        passage, self._passage = self._passage, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return passage
