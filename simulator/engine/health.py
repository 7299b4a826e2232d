"""Carry a proxy's health checks to the endpoints, over the same network as its requests.

A proxy takes no request before the endpoints that it started with have been asked once,
as an Envoy listens only then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from simulator.engine.exchange import Trace
from simulator.engine.network import Answer, Delivery, Local, Receiver, deliver
from simulator.engine.opening import of_http
from simulator.envoy.balance import Host
from simulator.envoy.commands import Response
from simulator.envoy.health import Checker, Finding, excludes, judge
from simulator.envoy.request import Request
from simulator.envoy.upstream import Upstream

if TYPE_CHECKING:
    from simulator.engine.kernel import Timer
    from simulator.engine.proxy_node import ProxyNode

_NOBODYS = -1
"""The number of the request that causes a check: none does."""


class Checks:
    """What one proxy asks its endpoints, from its start on."""

    __slots__ = ("_held", "_node", "warming")

    def __init__(self, node: ProxyNode) -> None:
        self._node = node
        self._held: list[Held] = []
        self.warming = False

    def begin(self) -> None:
        """Begin to ask the hosts that nobody asks yet."""
        for upstream in self._node.proxy.upstreams.values():
            checker = upstream.health
            if checker is None:
                continue
            while checker.new:
                check = _Check(self, self._node, upstream, checker, checker.new.popleft())
                delay_ns = checker.first_ns(self._node.chance)
                self._node.world.agenda.call_after(delay_ns, check.start)
        self.settle()

    def settle(self) -> None:
        """Take notice that a check has ended; let in who waits, if it was the last."""
        upstreams = self._node.proxy.upstreams.values()
        self.warming = any(each.health is not None and each.health.warming for each in upstreams)
        if not self.warming:
            held, self._held = self._held, []
            for each in held:
                each.enter()

    def hold(self, enter: Callable[[], Receiver | None]) -> Receiver:
        """Let a request wait until the proxy listens."""
        held = Held(enter)
        self._held.append(held)
        return held


class Held:
    """A request that waits for its proxy; then it is whoever has it."""

    __slots__ = ("_enter", "_receiver")

    def __init__(self, enter: Callable[[], Receiver | None]) -> None:
        self._enter: Callable[[], Receiver | None] | None = enter
        self._receiver: Receiver | None = None

    def enter(self) -> None:
        """Let it in, unless its sender is gone."""
        if self._enter is not None:
            self._receiver = self._enter()

    def disconnect(self) -> None:
        """Take notice that the sender is gone."""
        self._enter = None
        if self._receiver is not None:
            self._receiver.disconnect()


class _Check:
    """The checks of one host, one after the other."""

    __slots__ = ("_checker", "_checks", "_delivery", "_host", "_node", "_timer", "_upstream",
                 "span")  # fmt: skip

    request_id = ""

    def __init__(
        self, checks: Checks, node: ProxyNode, upstream: Upstream, checker: Checker, host: Host
    ) -> None:
        self._checks = checks
        self._node = node
        self._upstream = upstream
        self._checker = checker
        self._host = host
        self._delivery: Delivery | Local | _Knock | None = None
        self._timer: Timer | None = None
        self.span = -1

    def start(self, _: object) -> None:
        """Ask once, unless the host is gone."""
        if not self._checker.knows(self._host):
            return
        node, check = self._node, self._checker.check
        self._timer = node.world.agenda.timers(check.timeout_ns).start(self._time_out)
        request = self._checker.ask(self._host, self._upstream.cluster.name)
        self._delivery = self._sent(request)
        self._delivery.send()

    def _sent(self, request: Request | None) -> Delivery | Local | _Knock:
        node, endpoint = self._node, self._host.endpoint
        if endpoint.check_port:
            endpoint = replace(endpoint, port=endpoint.check_port)
        if request is None:
            return _Knock(node, (endpoint.address, endpoint.port), self._end)
        direction = "inbound" if node.is_own(endpoint.address) else "outbound"
        hello = node.greet(self._upstream.cluster.tls(endpoint))
        way = node.way(direction, endpoint, of_http(hello))
        return deliver(self, node, way, request, Trace(_NOBODYS))

    def answer(self, answer: Answer) -> None:
        """Take what came of it."""
        if not isinstance(answer, Response):
            self._end(Finding.NETWORK)
            return
        check = self._checker.check
        if excludes(check, answer):
            self._checker.exclude(self._host)
        self._end(judge(check, answer))

    def queued(self, waited_ns: int) -> None:
        """Ignore how long the workload let it wait."""

    def _time_out(self, _: object) -> None:
        if self._delivery is not None:
            self._delivery.abandon()
        self._end(Finding.TIMED_OUT)

    def _end(self, finding: Finding) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._delivery = self._timer = None
        agenda, used = self._node.world.agenda, self._upstream.used
        wait_ns = self._checker.report(
            self._host, finding, agenda.now, self._node.chance, used=used
        )
        if self._checker.knows(self._host):
            agenda.beat(wait_ns, self.start)
        if self._checks.warming:
            self._checks.settle()


class _Knock:
    """A connection that is opened to see whether it can be."""

    __slots__ = ("_done", "_node", "_place", "_way")

    def __init__(
        self, node: ProxyNode, place: tuple[str, int], done: Callable[[Finding], None]
    ) -> None:
        self._node = node
        self._place = place
        self._done: Callable[[Finding], None] | None = done
        self._way = node.world.link(node.pod).one_way

    def send(self) -> None:
        """Set off."""
        self._node.world.agenda.call_after(self._way(), self._arrive)

    def abandon(self) -> None:
        """Give it up."""
        self._done = None

    def _arrive(self, _: object) -> None:
        world = self._node.world
        taken = world.listens(self._place, self._node.pod)
        finding = Finding.PASSED if taken else Finding.NETWORK
        world.agenda.call_after(self._way(), self._return, finding)

    def _return(self, finding: Finding) -> None:
        if self._done is not None:
            self._done(finding)
