"""What a proxy does with requests that are alike, decided once and remembered.

The first request of a shape passes a `Stream`. If nothing that decides its way depends on
chance, time or other requests, the way is kept as a `Course`, and requests of the same shape
are `Running` on it: they choose a host, take a connection and hand the response on. At
whatever else happens (a retry, a time-out, a full pool) the stream is set up as it would be by
then and goes on by itself, so that nothing is decided in two places.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from simulator.envoy.access_log import Record
from simulator.envoy.balance import Host
from simulator.envoy.cluster import Discovery
from simulator.envoy.commands import VIA_UPSTREAM, Attempt, Command, Finish, Queued, Reset, Response
from simulator.envoy.draws import Draws
from simulator.envoy.header_map import first, replaced
from simulator.envoy.lifetime import Lifetime
from simulator.envoy.outgoing import with_pseudo_headers
from simulator.envoy.outlier import Result, status_of
from simulator.envoy.pool import Client, Overflow
from simulator.envoy.request_id import uuid
from simulator.envoy.router import SERVICE_TIME
from simulator.envoy.stream import Stream
from simulator.envoy.timeout import MILLISECOND
from simulator.envoy.unread import unread
from simulator.envoy.upstream_request import UpstreamRequest

_QUEUED = Queued()
MOST_KNOWN = 4096
"""Shapes of requests, or of responses to one; beyond it, all is forgotten."""


class Chance(Draws, Protocol):
    """A proxy's random numbers, whichever stream they are for."""

    def fresh(self) -> int:
        """Return the one value that the next stream has for its fractions."""
        ...

    def draws(self, stream: int) -> Draws:
        """Return the random numbers of a stream that has this value."""
        ...


class Answers:
    """What becomes of responses that are alike, whenever they come."""

    __slots__ = ("_by_ms", "_told", "finish", "status")

    def __init__(self, response: Response, *, told: bool) -> None:
        """`told` says whether the client is told how long the endpoint took."""
        self.status = status_of(response.status, first(response.headers, "grpc-status"))
        """What it counts as."""
        self.finish: Finish | None = None
        """How one of them ended, if it did so at once."""
        self._told = told
        self._by_ms: dict[int, Finish] = {}

    def after(self, ms: int) -> Finish | None:
        """Return the end of a request whose response took so long; None: it is not known."""
        finish = self._by_ms.get(ms)
        if finish is None and self.finish is not None:
            if len(self._by_ms) >= MOST_KNOWN:
                self._by_ms.clear()
            finish = self._by_ms[ms] = _timed(self.finish, ms) if self._told else self.finish
        return finish


def _timed(finish: Finish, ms: int) -> Finish:
    response = finish.response
    assert response is not None, "it ends with a response"
    headers = replaced(response.headers, SERVICE_TIME, str(ms))
    return Finish(
        response=Response(status=response.status, headers=headers, body=response.body),
        flags=finish.flags,
        details=finish.details,
        attempts=finish.attempts,
    )


class Course:
    """What a proxy does with all requests of one shape, up to the response of the first attempt."""

    __slots__ = ("_answers", "_attempts", "_like", "_record", "_records", "_stream", "_tells",
                 "context", "fixed", "gives_id", "lifetime", "priority", "timeout_ns",
                 "upstream")  # fmt: skip

    def __init__(self, stream: Stream, *, has_id: bool, gives_id: bool) -> None:
        """`stream` is one that has made its first attempt; its id is nobody else's if `has_id`."""
        router = stream.routed
        assert router.sending is not None, "it has made an attempt"
        self.upstream = router.sending.upstream
        self.gives_id = gives_id
        """Whether each request gets an id of its own here."""
        self.priority = router.match.route.priority
        self.timeout_ns = router.timeout_ns
        self.lifetime = stream.lifetime
        self.context = router.choice.context(0, None)
        self.fixed: Host | None = None
        """The only host that it may go to."""
        if self.upstream.cluster.type is Discovery.ORIGINAL_DST:
            self.fixed = router.sending.host
        self._attempts: dict[Host, Attempt] = {}
        self._tells = router.tells_time
        self._stream = stream.twin(router.passing.draws)
        if has_id:
            passing = self._stream.routed.passing
            passing.request = unread(passing.request)
        self._answers: dict[int, tuple[Response, Answers]] = {}
        self._like: dict[Response, Answers] = {}
        self._records: dict[tuple[Host, int], Record] = {}
        self._record: Record | None = None
        """Of the first request that was answered at once."""

    def stream(self, draws: Draws) -> Stream:
        """Return a stream that is about to make its first attempt."""
        return self._stream.twin(draws)

    def attempt(self, host: Host) -> Attempt:
        """Return the first attempt at a host."""
        found = self._attempts.get(host)
        if found is None or found.endpoint is not host.endpoint:
            cluster, router = self.upstream.cluster, self._stream.routed
            found = self._attempts[host] = router.attempt_at(cluster, host.endpoint, 1)
        return found

    def record(self, host: Host, status: int) -> Record:
        """Return what the access log says of a request that a host answered at once."""
        found = self._records.get((host, status))
        if found is None:
            assert self._record is not None, "one was answered so before"
            found = self._records[host, status] = replace(
                self._record,
                endpoint=host.endpoint.key,
                status=status,
                request_headers_upstream=with_pseudo_headers(self.attempt(host).request),
            )
        return found

    def note(self, record: Record) -> None:
        """Take what the access log says of a request that was answered at once."""
        if self._record is None:
            self._record = record

    def answers(self, response: Response) -> Answers:
        """Return what is known of a response's way back."""
        # Workloads and other proxies mostly hand out one object for responses that are equal.
        known = self._answers.get(id(response))
        if known is not None:
            return known[1]
        if len(self._answers) >= MOST_KNOWN:
            self._answers.clear()
            self._like.clear()
        like = response
        if self._tells and first(response.headers, SERVICE_TIME) is not None:
            # Here it will be another one.
            like = replace(response, headers=replaced(response.headers, SERVICE_TIME, ""))
        found = self._like.get(like)
        if found is None:
            found = self._like[like] = Answers(response, told=self._tells)
        self._answers[id(response)] = response, found
        return found


class Running:
    """A request on a known course; it is driven as a `Stream` is."""

    __slots__ = ("_begun_ns", "_chance", "_client", "_course", "_finish", "_host", "_ids", "_pool",
                 "_random", "full")  # fmt: skip

    node = None
    """Nobody asks why."""

    def __init__(self, course: Course, chance: Chance, random: int) -> None:
        self._course = course
        self._chance = chance
        self._random = random
        self._ids = (
            (chance.next("request id"), chance.next("request id")) if course.gives_id else None
        )
        self._finish: Finish | None = None
        self._client: Client | None = None
        """Its connection; None: it waits for one."""
        self.full: Stream | None = None
        """The stream that has taken over, if one has."""

    def start(self, now: int) -> Command:
        """Send the request to a host."""
        course = self._course
        upstream, context = course.upstream, course.context
        context.now = now
        host = course.fixed
        if host is None:
            host = upstream.choose(self._chance, context)
        elif upstream.hosts.get(host.endpoint.key) is not host:
            return self._take_over().attempt(now)
        if host is None:
            return self._dispatch(now, host)
        pool = upstream.pool(host, course.priority)
        client = pool.take() or pool.request(self)
        if isinstance(client, Overflow):
            return self._dispatch(now, host)
        self._begun_ns, self._host, self._pool, self._client = now, host, pool, client
        if client is None:
            return _QUEUED
        return self._connected(now)

    def on_response(self, now: int, response: Response) -> Command | None:
        """Take the attempt's response."""
        if self.full is not None:
            return self.full.on_response(now, response)
        course = self._course
        answers = course.answers(response)
        ms = (now - self._begun_ns) // MILLISECOND
        finish = answers.after(ms)
        if finish is None:
            return self._learn(now, answers, response)
        upstream = course.upstream
        if upstream.health is not None:
            upstream.heed(self._host, response, now)
        outliers = upstream.outliers
        if outliers is not None:
            outliers.report(self._host, Result.ANSWERED, now, self._chance, answers.status)
        client = self._client
        assert client is not None, "a response came on a connection"
        self._pool.end(client)
        self._finish = finish
        return finish

    def resume(self, now: int) -> Command | None:
        """Go on after a `Wait`."""
        return self._sent().resume(now)

    def on_turn(self, now: int, outcome: Client | Overflow | Reset) -> Command | None:
        """Take the end of waiting for a connection."""
        if self.full is None and isinstance(outcome, Client):
            self._client = outcome
            return self._connected(now)
        return self._sent().on_turn(now, outcome)

    def on_told(self, now: int, response: Response | None) -> Command | None:
        """Take what a service said that a filter has asked."""
        return self._sent().on_told(now, response)

    def on_reset(self, now: int, reason: Reset, transport_failure: str = "") -> Command | None:
        """Take the end of an attempt without a response."""
        return self._sent().on_reset(now, reason, transport_failure)

    def on_per_try_timeout(self, now: int) -> Command | None:
        """Give up an attempt that took too long."""
        return self._sent().on_per_try_timeout(now)

    def on_timeout(self, now: int) -> Command | None:
        """Give up the request, which took too long."""
        return self._sent().on_timeout(now)

    def on_expiry(self, now: int) -> Command | None:
        """Give up a stream that lasts, or idles, too long."""
        return self._sent().on_expiry(now)

    def on_disconnect(self, now: int) -> Command | None:
        """Give up the request, whose client is gone."""
        return self._sent().on_disconnect(now)

    def record(self) -> Record:
        """Return what the access log would say, so far."""
        if self._finish is None or self._finish.response is None:
            return self._sent().record()
        return self._course.record(self._host, self._finish.response.status)

    @property
    def waiter(self) -> Running | Stream:
        """Return who waits for a connection, if any does."""
        return self.full or self

    @property
    def timeout_ns(self) -> int:
        """Return the route's time-out, counted from the first attempt; 0: none."""
        return self._course.timeout_ns if self.full is None else self.full.timeout_ns

    @property
    def lifetime(self) -> Lifetime:
        """Return how long the stream may last, from its start."""
        return self._course.lifetime

    @property
    def request_id(self) -> str | None:
        """Return the id that the request got here; None: it has the one that it came with."""
        return uuid(*self._ids) if self._ids is not None else None

    def _sent(self) -> Stream:
        """Return the stream that takes over with an attempt under way."""
        full = self.full
        if full is None:
            course = self._course
            full = self._take_over()
            sending = UpstreamRequest(course.upstream, self._host, self._pool)
            if self._client is None:
                self._pool.cancel(self)
                sending.wait()
                full.adopt(self._begun_ns, sending, None)
            else:
                sending.take(self._client)
                sending.sent_ns = self._begun_ns
                full.adopt(self._begun_ns, sending, course.attempt(self._host).request)
        return full

    def _connected(self, now: int) -> Attempt:
        outliers = self._course.upstream.outliers
        if outliers is not None and outliers.splits:
            outliers.report(self._host, Result.CONNECTED, now, self._chance)
        return self._course.attempt(self._host)

    def _take_over(self) -> Stream:
        self.full = self._course.stream(self._chance.draws(self._random))
        return self.full

    def _dispatch(self, now: int, host: Host | None) -> Command:
        return self._take_over().dispatch(now, self._course.upstream, host)

    def _learn(self, now: int, answers: Answers, response: Response) -> Command | None:
        """Have the stream take a response, and remember what that came to."""
        full = self._sent()
        command = full.on_response(now, response)
        if (
            isinstance(command, Finish)
            and command.response is not None
            and not command.flags
            and command.details == VIA_UPSTREAM
        ):
            answers.finish = command
            self._course.note(full.record())
        return command
