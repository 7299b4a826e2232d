"""One request's way: through a proxy, over the network, through the next, and back.

Nothing here decides. A `Passage` asks its proxy's stream what to do, does it (waits,
sends, answers) and reports what happened. It is made of callbacks on
the agenda, never a process: there are far too many for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from simulator.engine.crossing import Crossing
from simulator.engine.entrance import Entrance, Way
from simulator.engine.kernel import Timer
from simulator.engine.network import Answer, Delivery, Failure, Local, Sender, deliver
from simulator.engine.opening import of_http
from simulator.engine.question import Question
from simulator.envoy.access_log import AccessLog, Record
from simulator.envoy.commands import (
    Attempt,
    Call,
    Command,
    Copy,
    Finish,
    Queued,
    Reset,
    Response,
    Wait,
)
from simulator.envoy.connection import Connection
from simulator.envoy.course import Running
from simulator.envoy.courses import own_id
from simulator.envoy.draws import Forced
from simulator.envoy.format_commands import Facts
from simulator.envoy.listener import Accepted, Miss
from simulator.envoy.pool import Client, Overflow
from simulator.envoy.request import Request
from simulator.envoy.stream import Stream
from simulator.envoy.transport import Hello
from simulator.envoy.unread import unread
from simulator.istiod.registry import Pod
from simulator.observe.explain import Node

if TYPE_CHECKING:
    from simulator.engine.proxy_node import ProxyNode

CONNECTION_REFUSED = "delayed connect error: Connection refused"
"""What a socket says when nothing listens."""


class Trace:
    """One client's request with everything that it causes, retries and further calls."""

    __slots__ = ("_spans", "crossings", "explain", "misses", "number", "plain", "playback")

    def __init__(
        self,
        number: int,
        *,
        keep: bool = False,
        explain: bool = False,
        playback: Playback | None = None,
    ) -> None:
        self._spans = -1
        self.number = number
        self.explain = explain
        self.crossings: list[Crossing] | None = [] if keep else None
        """In the order in which the proxies received it; absent where nobody looks."""
        self.misses: list[tuple[ProxyNode, str, Miss]] = []
        """Connections that a proxy did not take, with its direction; where explained."""
        self.playback = playback
        self.plain = not keep and not explain and playback is None
        """Whether nobody wants to know more of it than what came of it."""

    def span(self) -> int:
        """Return the number of the next proxy that the request passes."""
        self._spans += 1
        return self._spans


class Playback(Protocol):
    """What was observed of a request, to be made to happen again."""

    def claim(self, proxy: Pod, direction: str) -> Forced:
        """Return the choices of the proxy's next passage."""
        ...

    def work(self, pod: Pod, port: int, now: int) -> tuple[int, int | None]:
        """Return what the workload's next answer was, and when it is due (`None`: never)."""
        ...


class Passage:
    """An HTTP request inside one proxy, from its arrival to its end.

    A copy of a request is another passage, which nobody waits for and nobody is told of.
    """

    __slots__ = ("_attempt_timer", "_delivery", "_life_timer", "_own_id", "_question",
                 "_route_timer", "_sender", "_way", "ended_ns", "entrance", "finish", "node",
                 "parent", "received_ns", "sent_ns", "span", "stream", "trace",
                 "waited_ns")  # fmt: skip

    def __init__(
        self,
        entrance: Entrance,
        sender: Sender | None,
        trace: Trace,
        original: Passage | None = None,
    ) -> None:
        """`original` is the one that this is a copy of; it has no sender."""
        self._sender = sender
        self._delivery: Delivery | Local | None = None
        self._question: Question | None = None
        self._life_timer: Timer | None = None
        self._route_timer: Timer | None = None
        self._attempt_timer: Timer | None = None
        self._own_id: str | None = None
        """That of a request that is sent on as if nobody had looked at it."""
        self._way: Way | None = None
        self.entrance = entrance
        self.node = node = entrance.node
        self.trace = trace
        self.received_ns: int = node.world.agenda._now  # noqa: SLF001 - a property costs a call
        self.ended_ns = -1
        self.finish: Finish | None = None
        self.span: int = trace.span() if original is None else original.span
        self.parent = sender.span if sender is not None else self.span
        self.sent_ns = -1
        self.waited_ns = 0

    def start(self, request: Request) -> None:
        """Take the request."""
        node, trace, entrance = self.node, self.trace, self.entrance
        if trace.plain and self._sender is not None:
            self.stream, command = entrance.courses.start(
                self.received_ns, request, node.chance, self._sender
            )
            if isinstance(self.stream, Stream):
                self._own_id = own_id(request, self.stream)
            self._obey(command)
            self._start_lifetime()
            return
        assert entrance.accepted.http is not None, "only HTTP passes as a stream"
        playback = trace.playback
        self.stream = node.proxy.stream(
            entrance.accepted.http,
            request,
            node.chance.begin(),
            explain=trace.explain,
            forced=playback.claim(node.pod, entrance.direction) if playback else None,
            connection=entrance.connection,
        )
        self._obey(self.stream.start(self.received_ns))
        self._start_lifetime()

    @property
    def direction(self) -> str:
        """Return `outbound`, `inbound` or `gateway`."""
        return self.entrance.direction

    @property
    def accepted(self) -> Accepted:
        """Return where its connection ended."""
        return self.entrance.accepted

    @property
    def connection(self) -> Connection:
        """Return the connection that it came on."""
        return self.entrance.connection

    @property
    def protocol(self) -> str:
        """Return what is spoken on it."""
        return self.entrance.protocol

    @property
    def secured(self) -> Hello | None:
        """Return how the connection that it went on by was opened; None: in plain text."""
        return self._way.secured if self._way is not None else None

    def _copy(self, copy: Copy) -> None:
        """Send a copy of the request on a way of its own."""
        node = self.node
        assert self.accepted.http is not None, "only HTTP is copied"
        passage = Passage(self.entrance, None, self.trace, original=self)
        passage.stream = node.proxy.copy(copy, self.accepted.http.router, node.chance.begin())
        passage._own_id = self._own_id
        passage._obey(passage.stream.start(passage.received_ns))

    @property
    def request_id(self) -> str:
        """Return the id of the request that is sent on, if nobody has looked at it."""
        stream = self.stream
        own = stream.request_id if isinstance(stream, Running) else self._own_id
        return own or (self._sender.request_id if self._sender is not None else "")

    def answer(self, answer: Answer) -> None:
        """Take what came of an attempt."""
        self._end_attempt()
        now = self.node.world.agenda.now
        if isinstance(answer, Response):
            self._obey(self.stream.on_response(now, answer))
            return
        if isinstance(answer, Failure):
            self._obey(self.stream.on_reset(now, answer.reset, answer.words))
            return
        refused = answer is Reset.REMOTE_CONNECTION_FAILURE
        failure = CONNECTION_REFUSED if refused else ""
        self._obey(self.stream.on_reset(now, answer, failure))

    def turn(self, outcome: Client | Overflow | Reset) -> None:
        """Take the end of waiting for a connection."""
        self._obey(self.stream.on_turn(self.node.world.agenda.now, outcome))

    def queued(self, waited_ns: int) -> None:
        """Take notice of how long the workload let it wait."""
        self.waited_ns += waited_ns

    def disconnect(self) -> None:
        """Take notice that whoever sent the request is gone."""
        if self.finish is None:
            self._give_up()
            self._obey(self.stream.on_disconnect(self.node.world.agenda.now))

    def record(self) -> Record:
        """Return what the access log would say."""
        return self.stream.record()

    def entries(self) -> Iterator[tuple[AccessLog, Facts]]:
        """Yield the access logs that tell of it, and what they speak of."""
        assert isinstance(self.stream, Stream), "only probes are logged"
        return self.stream.entries(self.ended_ns, self.accepted.listener.access_logs)

    @property
    def copied(self) -> bool:
        """Return whether it is a copy of a request."""
        return self._sender is None

    def facts(self) -> Facts:
        """Return what is counted of it."""
        assert isinstance(self.stream, Stream), "only probes are counted"
        return self.stream.facts(self.ended_ns)

    @property
    def reasons(self) -> Node | None:
        """Return why all this happened; absent unless asked for."""
        return self.stream.node

    @property
    def outcome(self) -> str:
        """Return what became of the request, in a few words."""
        finish = self.finish
        if finish is None:
            return "is still at it"
        status = finish.response.status if finish.response else "nothing: the connection is closed"
        flags = f" with {','.join(finish.flags)}" if finish.flags else ""
        return f"answers {status}{flags} ({finish.details})"

    def _obey(self, command: Command | None) -> None:
        if isinstance(command, Attempt):
            self._attempt(command)
        elif isinstance(command, Finish):
            self._finish(command)
        elif isinstance(command, Wait):
            if command.anew:
                self._begin_anew()
            agenda = self.node.world.agenda
            if self.sent_ns >= 0:
                self._start_route_timer(self.sent_ns)
                self.waited_ns += command.until_ns - agenda.now
            agenda.call_at(command.until_ns, self._resume)
        elif isinstance(command, Call):
            self._question = Question(self, command)
            self._question.send()
        elif isinstance(command, Queued):
            self._start_route_timer()
            self.node.queued[self.stream.waiter] = self
        proxy = self.node.proxy
        while proxy.copies:
            self._copy(proxy.copies.popleft())
        if proxy.turns or proxy.connects:
            self.node.settle()

    def told(self, response: Response | None) -> None:
        """Take what a service said that a filter has asked."""
        self._question = None
        self._obey(self.stream.on_told(self.node.world.agenda.now, response))

    def _attempt(self, attempt: Attempt) -> None:
        node = self.node
        agenda = node.world.agenda
        self.sent_ns = agenda._now  # noqa: SLF001 - a property costs a call
        # The timers start before the request leaves: an answer may come at once.
        per_try_ns = attempt.per_try_timeout_ns
        if per_try_ns:
            self._attempt_timer = agenda.timers(per_try_ns).start(self._time_out_attempt)
        if self._route_timer is None and not (per_try_ns and per_try_ns < self.stream.timeout_ns):
            # Otherwise the attempt ends before, and there is a wait to start it in.
            self._start_route_timer()
        way = node.ways.get(id(attempt)) if self.stream.full is None else None
        if way is None:
            way = self._find_way(attempt)
        self._way = way
        request = attempt.request if self._own_id is None else unread(attempt.request)
        delivery = self._delivery = deliver(self, node, way, request, self.trace)
        delivery.send()

    def _find_way(self, attempt: Attempt) -> Way:
        node = self.node
        secured = node.greet(attempt.tls, attempt.alpn, attempt.request.authority)
        cluster = node.proxy.upstreams[attempt.cluster].cluster
        http2 = cluster.http2 or (cluster.as_client and self.protocol == "HTTP/2")
        opening = of_http(secured, http2=http2)
        way = node.way(self.direction, attempt.endpoint, opening, secured, attempt)
        if self.stream.full is None:
            node.ways[id(attempt)] = way
        return way

    def _begin_anew(self) -> None:
        for timer in (self._route_timer, self._life_timer):
            if timer is not None:
                timer.cancel()
        self._route_timer = self._life_timer = None
        self._start_lifetime()

    def _start_lifetime(self) -> None:
        """Have the stream end in time, unless it is over already."""
        duration_ns = self.stream.lifetime.ns
        if duration_ns and self.finish is None:
            self._life_timer = self.node.world.agenda.timers(duration_ns).start(self._expire)

    def _expire(self, _: object) -> None:
        self._give_up()
        self._obey(self.stream.on_expiry(self.node.world.agenda.now))

    def _start_route_timer(self, since_ns: int | None = None) -> None:
        """Start what ends the request; given the time, it counts from a first attempt."""
        timeout_ns = self.stream.timeout_ns
        if self._route_timer is not None or not timeout_ns:
            return
        agenda = self.node.world.agenda
        if since_ns is None:
            self._route_timer = agenda.timers(timeout_ns).start(self._time_out)
        else:
            self._route_timer = agenda.timer_at(since_ns + timeout_ns, self._time_out)

    def _resume(self, _: object) -> None:
        # The route's time-out or a disconnect may have come first.
        if self.finish is None:
            self._obey(self.stream.resume(self.node.world.agenda.now))

    def _time_out(self, _: object) -> None:
        self._give_up()
        self._obey(self.stream.on_timeout(self.node.world.agenda.now))

    def _time_out_attempt(self, _: object) -> None:
        self._give_up()
        self._obey(self.stream.on_per_try_timeout(self.node.world.agenda.now))

    def _give_up(self) -> None:
        if self._question is not None:
            self._question.abandon()
            self._question = None
        delivery = self._delivery
        self._end_attempt()
        if delivery is not None:
            delivery.abandon()

    def _end_attempt(self) -> None:
        self._delivery = None
        if self._attempt_timer is not None:
            self._attempt_timer.cancel()
            self._attempt_timer = None

    def _finish(self, finish: Finish) -> None:
        world = self.node.world
        if self._route_timer is not None:
            self._route_timer.cancel()
        if self._life_timer is not None:
            self._life_timer.cancel()
        queued = self.node.queued
        if queued:
            queued.pop(self.stream.waiter, None)
        self.finish = finish
        self.ended_ns = world.agenda.now
        if self._sender is None:
            return
        world.leave(self)
        if finish.response is not None:
            self._sender.answer(finish.response)
        elif "DC" not in finish.flags:
            self._sender.answer(Reset.CONNECTION_TERMINATION)
