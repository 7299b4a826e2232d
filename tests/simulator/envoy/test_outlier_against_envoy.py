"""Outlier detection against the real Envoy: the same requests go to the same hosts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from simulator.envoy.draws import Listed
from simulator.envoy.request import Request
from tests.simulator.envoy.playing import cluster, play, proxy, scripted, streamed
from tests.simulator.envoy.real import Answer, Backend, http_listener, running

pytestmark = pytest.mark.envoy

LONG = {"interval": "60s", "base_ejection_time": "60s"}
NO_PANIC = {"healthy_panic_threshold": {"value": 0}}
BAD, GOOD = "503", "200"


@dataclass(frozen=True)
class Case:
    id: str
    outliers: dict[str, Any]
    steps: tuple[str, ...]
    common: dict[str, Any] | None = None


CASES = [
    Case("half-may-go", {"consecutive_5xx": 2, "max_ejection_percent": 50}, (BAD,) * 12),
    Case("all-may-go-panic", {"consecutive_5xx": 2, "max_ejection_percent": 100}, (BAD,) * 14),
    Case("all-may-go", {"consecutive_5xx": 2, "max_ejection_percent": 100}, (BAD,) * 10, NO_PANIC),
    Case(
        "changes-held-back",
        {"consecutive_5xx": 2, "max_ejection_percent": 100},
        (BAD,) * 12,
        {"update_merge_window": "60s"},
    ),
    Case("ten-percent-of-three", {"consecutive_5xx": 2}, (BAD,) * 9),
    Case("always-one", {"consecutive_5xx": 2, "always_eject_one_host": True}, (BAD,) * 12),
    Case(
        "good-ones-between",
        {"consecutive_5xx": 2, "max_ejection_percent": 100},
        (BAD, BAD, BAD, GOOD, GOOD, GOOD, BAD, GOOD, BAD, BAD, BAD, GOOD, BAD, BAD),
    ),
    Case(
        "gateway-failures",
        {
            "consecutive_5xx": 9,
            "consecutive_gateway_failure": 2,
            "enforcing_consecutive_gateway_failure": 100,
            "max_ejection_percent": 100,
        },
        ("502", "500", "504", "503", "503", "504", "503", "503", "503", "503"),
    ),
    Case(
        "closed-connections",
        {"consecutive_5xx": 2, "max_ejection_percent": 34},
        ("close",) * 8,
    ),
    Case(
        "closed-connections-apart",
        {
            "split_external_local_origin_errors": True,
            "consecutive_5xx": 1,
            "consecutive_local_origin_failure": 2,
            "max_ejection_percent": 34,
        },
        ("close",) * 8,
    ),
]


def listener() -> dict[str, Any]:
    routes = [
        {"match": {"prefix": f"/{case.id}/"}, "route": {"cluster": case.id}} for case in CASES
    ]
    table = {"name": "r", "virtual_hosts": [{"name": "h", "domains": ["*"], "routes": routes}]}
    return http_listener("main", table, [])


def clusters(ports: list[int]) -> list[dict[str, Any]]:
    return [
        cluster(
            case.id,
            *ports,
            outlier_detection={**LONG, **case.outliers},
            common_lb_config={"update_merge_window": "0s", **(case.common or {})},
        )
        for case in CASES
    ]


@dataclass
class World:
    answers: dict[str, Answer]
    clusters: list[dict[str, Any]]
    ports: list[int]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Backend(3) as backend:
        configured = clusters(backend.ports)
        folder = tmp_path_factory.mktemp("envoy")
        with running([listener()], configured, folder) as envoy:
            answers: dict[str, Answer] = {}
            for at in range(max(len(case.steps) for case in CASES)):
                for case in CASES:
                    if at < len(case.steps):
                        name = f"{case.id}-{at}"
                        script = {"x-script": case.steps[at]}
                        answers[name] = envoy.ask(name, f"/{case.id}/{at}", script)
                # An ejection is decided by another thread than the one that sends.
                threading.Event().wait(0.03)
            for name, line in envoy.logged(list(answers)).items():
                answers[name].log = line
        yield World(answers, configured, backend.ports)


def played(world: World, case: Case, seed: int) -> list[tuple[str | None, int | None, str]]:
    one = proxy(listener(), world.clusters)
    found = []
    for at, step in enumerate(case.steps):
        request = Request(method="GET", authority="test", path=f"/{case.id}/{at}")
        stream = streamed(one, request, draws=Listed(values={"turn": [seed]}))
        play(stream, scripted(step))
        record = stream.record()
        found.append((record.endpoint, record.status, ",".join(record.flags) or "-"))
    return found


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_the_same_hosts_are_left_out(world: World, case: Case) -> None:
    logs = [world.answers[f"{case.id}-{at}"].log for at in range(len(case.steps))]
    seen = [(log["host"], log["status"], log["flags"]) for log in logs]

    # Whose turn it is at first is drawn (of three hosts, and of two when one is out);
    # everything else follows.
    assert seen in [played(world, case, seed) for seed in range(6)]
