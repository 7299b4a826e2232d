"""Connections that never come about: the simulated proxy against the real Envoy, in time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Any

import pytest

from simulator.envoy.commands import Command, Finish, Queued, Reset, Wait
from simulator.envoy.proxy import Proxy
from simulator.envoy.request import Request
from simulator.envoy.stream import Stream
from tests.simulator.envoy.playing import MS, cluster, proxy, streamed
from tests.simulator.envoy.real import Answer, http_listener, running

pytestmark = pytest.mark.envoy

CONNECT_MS = 400
APART_MS = 80
"""How long after each other the requests of a case come."""
SOON_MS = CONNECT_MS - APART_MS // 2
_HTTP2 = {
    "typed_extension_protocol_options": {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        }
    }
}


@dataclass(frozen=True)
class Case:
    """Requests to a cluster of its own, whose endpoint never takes a connection."""

    id: str
    requests: int = 1
    route: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    http2: bool = False


def again(retry_on: str) -> dict[str, Any]:
    policy = {
        "retry_on": retry_on,
        "num_retries": 1,
        "retry_back_off": {"base_interval": "0.001s"},
    }
    return {"retry_policy": policy}


CASES = [
    Case("no-connection"),
    Case("tried-again", route=again("connect-failure")),
    Case("not-tried-again", route=again("retriable-status-codes")),
    Case("no-byte-was-sent", route=again("reset-before-request")),
    Case("one-failure-fails-all-who-wait", 3),
    Case("one-connection-for-all", 3, http2=True),
    Case("too-many-wait", 3, limits={"max_pending_requests": 2}),
    Case("one-connection-at-a-time", 3, limits={"max_connections": 1}),
    Case("the-route-is-less-patient", route={"timeout": "0.15s"}),
    Case(
        "an-attempt-has-not-begun",
        route={"retry_policy": {"retry_on": "5xx", "num_retries": 0, "per_try_timeout": "0.1s"}},
    ),
]


@contextmanager
def deaf() -> Iterator[int]:
    """Listen on a port whose line of callers is full: no connection is made, or refused."""
    with ExitStack() as held:
        server = held.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            caller = held.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(server.getsockname())
        yield server.getsockname()[1]


def table() -> dict[str, Any]:
    routes = [
        {
            "name": case.id,
            "match": {"path": f"/{case.id}"},
            "route": {"cluster": case.id, **case.route},
        }
        for case in CASES
    ]
    hosts = [{"name": "test", "domains": ["*"], "routes": routes}]
    return {"name": "r", "virtual_hosts": hosts}


def configured(port: int) -> list[dict[str, Any]]:
    return [
        cluster(
            case.id,
            port,
            **{
                "connect_timeout": f"{CONNECT_MS / 1000}s",
                "circuit_breakers": {"thresholds": [case.limits]},
                **(_HTTP2 if case.http2 else {}),
            },
        )
        for case in CASES
    ]


@dataclass
class World:
    """What the real Envoy did with every request."""

    answers: dict[str, Answer]
    clusters: list[dict[str, Any]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("connect")
    with deaf() as port:
        clusters = configured(port)
        with (
            running([http_listener("main", table(), [])], clusters, folder) as envoy,
            ThreadPoolExecutor(max_workers=32) as pool,
        ):

            def ask(case: Case, at: int) -> Answer:
                threading.Event().wait(at * APART_MS / 1000)
                return envoy.ask(f"{case.id}-{at}", f"/{case.id}", {})

            asked = {
                f"{case.id}-{at}": pool.submit(ask, case, at)
                for case in CASES
                for at in range(case.requests)
            }
            answers = {name: future.result() for name, future in asked.items()}
            for name, line in envoy.logged(list(answers)).items():
                answers[name].log = line
        yield World(answers, clusters)


class Deaf:
    """Drives requests in virtual time; none of the connections that are asked for is made."""

    def __init__(self, one: Proxy) -> None:
        self.one = one
        self.ended: dict[Stream, tuple[int, Finish]] = {}
        self._agenda: list[tuple[int, int, Any]] = []
        self._order = count()

    def at(self, time_ms: int, event: Any) -> None:
        heappush(self._agenda, (time_ms, next(self._order), event))

    def run(self) -> None:
        while self._agenda:
            now, _, event = heappop(self._agenda)
            event(now)
            while self.one.turns:
                turn = self.one.turns.popleft()
                self.obey(now, turn.waiter, turn.waiter.on_turn(now * MS, turn.outcome))

    def start(self, stream: Stream, time_ms: int) -> None:
        self.at(time_ms, lambda now: self.obey(now, stream, stream.start(now * MS)))

    def obey(self, now: int, stream: Stream, command: Command | None) -> None:
        match command:
            case Finish():
                self.ended.setdefault(stream, (now, command))
            case Wait():
                self.at(
                    command.until_ns // MS,
                    lambda now: self.obey(now, stream, stream.resume(now * MS)),
                )
            case Queued():
                deadline = now + stream.timeout_ns // MS
                self.at(deadline, lambda now: self.obey(now, stream, stream.on_timeout(now * MS)))
        assert self.one.connects is not None
        while self.one.connects:
            connect = self.one.connects.popleft()
            self.at(
                now + connect.timeout_ns // MS,
                lambda _, connect=connect: connect.fail(Reset.CONNECTION_TIMEOUT),
            )


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_who_waits_in_vain_is_told_as_in_envoy(world: World, case: Case) -> None:
    one = proxy(http_listener("main", table(), []), world.clusters, connecting=True)
    driver = Deaf(one)
    streams = [
        streamed(one, Request(method="GET", authority="test", path=f"/{case.id}"))
        for _ in range(case.requests)
    ]
    for at, stream in enumerate(streams):
        driver.start(stream, at * APART_MS)
    driver.run()

    for at, stream in enumerate(streams):
        ended_ms, finish = driver.ended[stream]
        answer = world.answers[f"{case.id}-{at}"]
        log = answer.log
        record = stream.record()
        assert finish.response is not None
        assert (finish.response.status, finish.response.body) == (answer.status, answer.body)
        assert (",".join(record.flags), record.details, record.attempts, record.cluster) == (
            log["flags"],
            log["details"],
            log["attempts"],
            log["cluster"],
        )
        # Who fails with another's connection does not wait for the end of its own.
        assert (ended_ms - at * APART_MS < SOON_MS) == (log["duration"] < SOON_MS)
