"""What runs behind the proxies: replicas that take their time, stand in line and answer.

A replica works on as many requests at a time as its `concurrency`; others wait, first
come first served. A request keeps its place while its calls are under way, unless the
behaviour says that it `holds` it for the work alone. Nobody tells a workload that its client
has given up: work once begun is done.
"""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING

from simulator.config.scenario import Answer, Behaviour, Call
from simulator.engine.draws import Sampler, sampler, uniforms
from simulator.engine.resolve import Target
from simulator.envoy.commands import Response
from simulator.envoy.header_map import Headers
from simulator.envoy.request import BYTES, Request
from simulator.istiod.registry import Pod

if TYPE_CHECKING:
    from simulator.engine.exchange import Trace
    from simulator.engine.network import Sender
    from simulator.engine.world import World


_TURNED_AWAY = 503
_MOST_KNOWN = 4096
"""Requests whose calls are remembered; beyond it, all is forgotten."""


class Replica:
    """One pod's workload."""

    __slots__ = (
        "_alike",
        "_answers",
        "_busy",
        "_chances",
        "_headers",
        "_latency",
        "_line",
        "_outgoing",
        "_responses",
        "_script",
        "_turn",
        "_uniform",
        "behaviour",
        "pod",
        "world",
    )

    def __init__(self, world: World, pod: Pod, behaviour: Behaviour, seed: int) -> None:
        self.world = world
        self.pod = pod
        self.behaviour = behaviour
        self._busy = 0
        self._turn = 0
        self._line: deque[Work] = deque()
        self._latency = sampler(behaviour.latency, seed, f"{pod.ref}/latency")
        self._uniform = uniforms(seed, f"{pod.ref}/disturbances")
        self._script = [self._scripted(one, seed, i) for i, one in enumerate(behaviour.script)]
        self._chances = [
            (one.share, *self._scripted(one, seed, i))
            for i, one in enumerate(behaviour.disturbances)
        ]
        self._responses: dict[int, Response] = {}
        self._outgoing: dict[tuple[int, int, int], tuple[Target, Request, Request]] = {}
        self._alike: dict[Request, Request] = {}
        self._headers: Headers = (
            ("content-type", "application/json"),
            ("x-workload-pod", pod.ref),
            *((("x-workload-version", pod.version),) if pod.version else ()),
        )

    def _scripted(self, answer: Answer, seed: int, at: int) -> tuple[int, Sampler]:
        if answer.latency is None:
            return answer.status, self._latency
        return answer.status, sampler(answer.latency, seed, f"{self.pod.ref}/latency {at}")

    def take(self, work: Work) -> None:
        """Begin with a request, or put it in line."""
        limit, room = self.behaviour.concurrency, self.behaviour.queue
        if limit is None or self._busy < limit:
            self._begin(work)
        elif room is None or len(self._line) < room:
            self._line.append(work)
        else:
            work.turn_away()

    def occupy(self) -> None:
        """Begin a piece of work that `release` ends."""
        self._busy += 1

    def release(self) -> None:
        """End a piece of work; whoever waits longest is next."""
        self._busy -= 1
        if self._line:
            self._begin(self._line.popleft())

    def answer(self, status: int, request: Request) -> Response:
        """Return the response to a request; to plain bytes, the pod's name."""
        if request is BYTES:
            return Response(status=status, headers=(), body=f"{self.pod.ref}\n")
        if self.world.bodies:
            return Response(status=status, headers=self._headers, body=self._body(request))
        found = self._responses.get(status)
        if found is None:
            found = self._responses[status] = Response(status=status, headers=self._headers)
        return found

    def outgoing(self, at: int, target: Target, request: Request) -> Request:
        """Return the request of call number `at` that is made for another request."""
        # One object for all that are equal: proxies know it again.
        key = at, id(target), id(request)
        known = self._outgoing.get(key)
        if known is None:
            if len(self._outgoing) >= _MOST_KNOWN:
                self._outgoing.clear()
                self._alike.clear()
            made = _outgoing(self.behaviour.calls[at], target, request)
            known = self._outgoing[key] = target, request, self._alike.setdefault(made, made)
        return known[2]

    def _begin(self, work: Work) -> None:
        self._busy += 1
        work.begun()
        work.status, latency_ns = self._next()
        self.world.agenda.call_after(latency_ns, work.worked)

    def _next(self) -> tuple[int, int]:
        """Return the status of the next answer and how long the work for it takes."""
        if self._script:
            status, latency = self._script[self._turn % len(self._script)]
            self._turn += 1
            return status, latency()
        for share, status, latency in self._chances:
            if self._uniform() < share:
                return status, latency()
        return 200, self._latency()

    def _body(self, request: Request) -> str:
        headers: dict[str, str] = {}
        for name, value in request.headers:
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        said = {"pod": self.pod.ref, "version": self.pod.version, "headers": headers}
        return json.dumps(said, separators=(",", ":"))


def _outgoing(call: Call, target: Target, request: Request) -> Request:
    """Return the request of a call that is made for another request."""
    own = {name.lower(): value for name, value in call.headers.items()}
    forwarded = (pair for pair in request.headers if pair[0] in call.forward and pair[0] not in own)
    return Request(
        method=call.method,
        authority=target.authority,
        path=target.path,
        headers=(*forwarded, *own.items()),
    )


class Work:
    """One request at a workload: its own work, then its calls, then the answer."""

    __slots__ = ("_calls", "_client", "_due_ns", "_request", "_trace", "arrived_ns",
                 "replica", "span", "status")  # fmt: skip

    def __init__(self, replica: Replica, request: Request, client: Sender, trace: Trace) -> None:
        self.replica = replica
        self._request = request
        self._client = client
        self._trace = trace
        self._calls = 0
        self._due_ns: int | None = 0
        self.arrived_ns = replica.world.agenda.now
        self.span = client.span
        self.status = 200

    @property
    def request_id(self) -> str:
        """Return the id that calls pass on."""
        return self._client.request_id

    def begun(self) -> None:
        """Leave the line."""
        waited_ns = self.replica.world.agenda.now - self.arrived_ns
        if waited_ns:
            self._client.queued(waited_ns)

    def turn_away(self) -> None:
        """Answer at once: the line is full."""
        self._client.answer(self.replica.answer(_TURNED_AWAY, self._request))

    def queued(self, waited_ns: int) -> None:
        """Ignore how long a call stood in line elsewhere."""

    def worked(self, _: object = None) -> None:
        """Go on with the calls: the work itself is done."""
        if self.replica.behaviour.holds == "work":
            self.replica.release()
        self.answer(None)

    def answer(self, _: object) -> None:
        """Take a call's answer; whatever it is, the next call follows."""
        replica = self.replica
        calls = replica.behaviour.calls
        if self._calls < len(calls):
            at = self._calls
            self._calls += 1
            target = replica.world.target(replica.pod, calls[at].url)
            request = replica.outgoing(at, target, self._request)
            replica.world.send(replica.pod, target, request, self, self._trace)
        elif self._due_ns is not None:
            self._wait(self._due_ns)

    def disconnect(self) -> None:
        """Take notice that the client is gone: a workload does not care."""

    def play(self, status: int, due_ns: int | None) -> None:
        """Answer `status` at a time (`None`: never), whatever the behaviour says."""
        self.replica.occupy()
        self.status = status
        self._due_ns = due_ns
        self.answer(None)

    def _wait(self, due_ns: int) -> None:
        agenda = self.replica.world.agenda
        if due_ns > agenda.now:
            agenda.call_at(due_ns, self._finish)
        else:
            self._finish()

    def _finish(self, _: object = None) -> None:
        if self.replica.behaviour.holds == "request":
            self.replica.release()
        self._client.answer(self.replica.answer(self.status, self._request))
