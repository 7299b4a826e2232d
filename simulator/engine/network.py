"""The network between pods, and the short way between a proxy and its own workload.

A `Delivery` carries a request over the network and its answer back; `Local` hands it to
the workload beside the proxy. Whoever gives up a request is not told of its answer any
more, and the other side learns of that when the news has crossed the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from simulator.envoy.commands import Reset, Response
from simulator.envoy.request import Request
from simulator.envoy.transport import NOT_TLS

if TYPE_CHECKING:
    from simulator.engine.entrance import Way
    from simulator.engine.exchange import Trace
    from simulator.engine.proxy_node import ProxyNode
    from simulator.engine.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A connection that could not be made, with what the transport had to say."""

    words: str
    reset: Reset = Reset.REMOTE_CONNECTION_FAILURE


Answer: TypeAlias = Response | Reset | Failure
"""What comes back: a response, or the reason why there is none."""

PLAIN_ANSWER = Failure(words=NOT_TLS)
"""What a TLS client makes of someone who does not speak TLS."""


def reset_of(answer: Reset | Failure) -> Reset:
    """Return the reason why there is no response."""
    return answer.reset if isinstance(answer, Failure) else answer


class Sender(Protocol):
    """Whoever sent a request and waits for what comes of it."""

    @property
    def span(self) -> int:
        """Return the number of the crossing that sends, among its trace's; -1: a client."""
        ...

    @property
    def request_id(self) -> str:
        """Return the id of the request that it sent, if that is `UNREAD`."""
        ...

    def answer(self, answer: Answer, /) -> None:
        """Take the answer; called once at most."""
        ...

    def queued(self, waited_ns: int, /) -> None:
        """Take notice that a workload begins after it let the request wait."""
        ...


class Receiver(Protocol):
    """Whoever a request has reached."""

    def disconnect(self) -> None:
        """Take notice that the sender is gone."""
        ...


class Delivery:
    """A request on the network to an address, and its answer on the way back."""

    __slots__ = ("_abandoned", "_answered", "_receiver", "_request", "_sender", "_trace", "_way",
                 "_world", "span")  # fmt: skip

    def __init__(
        self, world: World, sender: Sender, way: Way, request: Request, trace: Trace
    ) -> None:
        self._world = world
        self._sender = sender
        self._way = way
        self._request = request
        self._trace = trace
        self._receiver: Receiver | None = None
        self._abandoned = False
        self._answered = False
        self.span = sender.span

    @property
    def request_id(self) -> str:
        """Return what the sender says."""
        return self._sender.request_id

    def send(self) -> None:
        """Set off."""
        self._world.agenda.call_after(self._way.one_way(), self._arrive)

    def answer(self, answer: Answer) -> None:
        """Carry an answer back, unless nobody waits for it."""
        self._answered = True
        if not self._abandoned:
            self._world.agenda.call_after(self._way.one_way(), self._return, answer)

    def queued(self, waited_ns: int) -> None:
        """Ignore what the sender, far away, cannot know."""

    def abandon(self) -> None:
        """Give it up: the receiver learns of it when the news has crossed the network."""
        self._abandoned = True
        if self._receiver is not None and not self._answered:
            self._world.agenda.call_after(self._way.one_way(), self._cut)

    def _arrive(self, _: object) -> None:
        self._receiver = self._world.receive(self._way, self._request, self, self._trace)
        if self._abandoned and not self._answered:
            self._cut()

    def _return(self, answer: Answer) -> None:
        if not self._abandoned:
            self._sender.answer(answer)

    def _cut(self, _: object = None) -> None:
        if self._receiver is not None and not self._answered:
            self._receiver.disconnect()


class Local:
    """A request handed to the workload beside the proxy, without a network between."""

    __slots__ = ("_abandoned", "_receiver", "_request", "_sender", "_trace", "_way", "_world",
                 "span")  # fmt: skip

    def __init__(
        self, world: World, sender: Sender, way: Way, request: Request, trace: Trace
    ) -> None:
        self._world = world
        self._sender = sender
        self._way = way
        self._request = request
        self._trace = trace
        self._receiver: Receiver | None = None
        self._abandoned = False
        self.span = sender.span

    @property
    def request_id(self) -> str:
        """Return what the sender says."""
        return self._sender.request_id

    def send(self) -> None:
        """Hand the request over; the answer may come at once."""
        self._receiver = self._world.hand_over(self._way, self._request, self, self._trace)

    def answer(self, answer: Answer) -> None:
        """Hand the answer over, unless nobody waits for it."""
        if not self._abandoned:
            self._sender.answer(answer)

    def queued(self, waited_ns: int) -> None:
        """Let the proxy know."""
        if not self._abandoned:
            self._sender.queued(waited_ns)

    def abandon(self) -> None:
        """Give it up."""
        self._abandoned = True
        if self._receiver is not None:
            self._receiver.disconnect()


def deliver(
    sender: Sender, node: ProxyNode, way: Way, request: Request, trace: Trace
) -> Delivery | Local:
    """Return a proxy's request on its way; `send` sets it off."""
    carry = Local if way.is_local else Delivery
    return carry(node.world, sender, way, request, trace)
