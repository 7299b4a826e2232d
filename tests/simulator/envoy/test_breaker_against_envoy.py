"""Circuit breakers against the real Envoy: who waits, who is refused, and what is said of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from simulator.envoy.commands import Attempt, Command, Finish, Queued
from simulator.envoy.request import Request
from simulator.envoy.stream import Stream
from tests.simulator.envoy.playing import MS, cluster, proxy, streamed
from tests.simulator.envoy.real import Answer, Backend, http_listener, running

pytestmark = pytest.mark.envoy

TIMEOUT_MS = 400
CASES: dict[str, tuple[dict[str, Any], int]] = {
    "one-waits": ({"max_connections": 1, "max_pending_requests": 1}, 3),
    "two-wait": ({"max_connections": 1, "max_pending_requests": 2}, 4),
    "one-request": ({"max_requests": 1}, 2),
    "nobody-may-wait": ({"max_pending_requests": 0}, 1),
    "of-the-other-priority": ({"priority": "HIGH", "max_requests": 0}, 2),
}
"""Limits, and how many requests come one after the other; none of them is answered."""


def listener() -> dict[str, Any]:
    routes = [
        {
            "match": {"prefix": f"/{name}/"},
            "route": {"cluster": name, "timeout": f"{TIMEOUT_MS / 1000}s"},
        }
        for name in CASES
    ]
    table = {"name": "r", "virtual_hosts": [{"name": "h", "domains": ["*"], "routes": routes}]}
    return http_listener("main", table, [])


def clusters(ports: list[int]) -> list[dict[str, Any]]:
    return [
        cluster(name, *ports, circuit_breakers={"thresholds": [limits]})
        for name, (limits, _) in CASES.items()
    ]


@dataclass
class World:
    answers: dict[str, Answer]
    clusters: list[dict[str, Any]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Backend(1) as backend:
        configured = clusters(backend.ports)
        folder = tmp_path_factory.mktemp("envoy")
        with (
            running([listener()], configured, folder) as envoy,
            ThreadPoolExecutor(max_workers=16) as pool,
        ):

            def ask(name: str, at: int) -> Answer:
                # Each case's requests come in their order, long before the first times out.
                threading.Event().wait(0.06 * at)
                return envoy.ask(f"{name}-{at}", f"/{name}/{at}", {"x-script": "hang"})

            asked = {
                f"{name}-{at}": pool.submit(ask, name, at)
                for name, (_, count) in CASES.items()
                for at in range(count)
            }
            answers = {name: future.result() for name, future in asked.items()}
            for name, line in envoy.logged(list(answers)).items():
                answers[name].log = line
        yield World(answers, configured)


def played(world: World, name: str, count: int) -> list[tuple[Stream, Finish]]:
    """Return the streams of a case, each ended by its time-out at the latest."""
    one = proxy(listener(), world.clusters)
    started: list[tuple[Stream, Command]] = []
    for at in range(count):
        request = Request(method="GET", authority="test", path=f"/{name}/{at}")
        stream = streamed(one, request)
        started.append((stream, stream.start(at * MS)))
    ended = []
    for at, (stream, command) in enumerate(started):
        if not isinstance(command, Finish):
            assert isinstance(command, Attempt | Queued)
            finish = stream.on_timeout((at + TIMEOUT_MS) * MS)
            assert finish is not None
            command = finish
        while one.turns:
            turn = one.turns.popleft()
            turn.waiter.on_turn((at + TIMEOUT_MS) * MS, turn.outcome)
        ended.append((stream, command))
    return ended


@pytest.mark.parametrize("name", CASES)
def test_the_same_requests_wait_and_are_refused(world: World, name: str) -> None:
    for at, (stream, finish) in enumerate(played(world, name, CASES[name][1])):
        answer = world.answers[f"{name}-{at}"]
        record = stream.record()
        assert finish.response is not None
        assert finish.response.status == answer.status
        assert finish.response.body == answer.body
        assert (",".join(record.flags) or "-", record.details) == (
            answer.log["flags"],
            answer.log["details"],
        )
        assert record.attempts == answer.log["attempts"]
        overloaded = dict(finish.response.headers).get("x-envoy-overloaded")
        assert overloaded == answer.headers.get("x-envoy-overloaded")
