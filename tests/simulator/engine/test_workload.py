"""Replicas: lines, scripts, disturbances, and what they answer."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from simulator.config.scenario import Request
from simulator.scenario import Run, Scenario
from tests.support.mesh import deployment, scenario, service

MS = 1_000_000
SECOND = 1_000_000_000


def world(behaviour: dict[str, Any], *, replicas: int = 1, **file: Any) -> Scenario:
    """Return a mesh of one service without any network between."""
    return scenario(
        service("a"),
        deployment("a", "a", version="v1", replicas=replicas),
        deployment("client", "client", sidecar=False),
        workloads={"a": behaviour},
        network={"latency": "0ms"},
        **file,
    )


def load(behaviour: dict[str, Any], client: dict[str, Any], duration: str) -> Run:
    everyone = {"name": "c", "from": "client.default", "url": "http://a:9080/"} | client
    return world(behaviour, clients=[everyone], duration=duration).run()


def statuses(behaviour: dict[str, Any], count: int) -> list[int | None]:
    request = Request.model_validate(
        {"url": "http://a:9080/", "from": "client.default", "count": count}
    )
    return [seen.status for seen in world(behaviour).probe([request])]


def test_an_answer_tells_who_gave_it_and_what_was_asked() -> None:
    request = Request.model_validate(
        {"url": "http://a:9080/", "from": "client.default", "headers": {"X-Two": ["1", "2"]}}
    )
    (seen,) = world({}).probe([request])
    body = json.loads(seen.body or "")

    assert (body["pod"], body["version"], body["headers"]["x-two"]) == ("a-0.default", "v1", "1,2")
    assert (seen.response_headers or {})["x-workload-pod"] == "a-0.default"
    assert (seen.response_headers or {})["x-workload-version"] == "v1"


def test_a_script_is_played_in_turn_and_from_the_start_again() -> None:
    script = [{"status": 200}, {"status": 503}, {"status": 404}]

    assert statuses({"script": script}, 5) == [200, 503, 404, 200, 503]


def test_disturbances_come_with_their_shares() -> None:
    found = statuses({"disturbances": [{"share": 0.1, "status": 500}]}, 1000)

    # Four standard deviations of a binomial share.
    assert found.count(500) == pytest.approx(100, abs=4 * np.sqrt(90))


def test_requests_beyond_the_concurrency_stand_in_line() -> None:
    run = load({"latency": "10ms", "concurrency": 2}, {"users": 5, "think": "1m"}, duration="1s")

    assert (run.requests["duration_ns"] // MS).tolist() == [10, 10, 20, 20, 30]


@pytest.mark.parametrize(
    ("holds", "durations_ms"),
    [
        pytest.param("request", [10, 20], id="a-request-keeps-its-place-while-calls-are-under-way"),
        pytest.param("work", [10, 10], id="a-request-leaves-its-place-when-its-work-is-done"),
    ],
)
def test_how_long_a_place_is_held(holds: str, durations_ms: list[int]) -> None:
    run = scenario(
        service("a"),
        service("b"),
        deployment("a", "a"),
        deployment("b", "b"),
        deployment("client", "client", sidecar=False),
        workloads={
            "a": {"concurrency": 1, "holds": holds, "calls": [{"url": "http://b:9080/"}]},
            "b": {"latency": "10ms"},
        },
        network={"latency": "0ms"},
        clients=[
            {
                "name": "c",
                "from": "client.default",
                "url": "http://a:9080/",
                "users": 2,
                "think": "1m",
            }
        ],
        duration="1s",
    ).run()

    assert (run.requests["duration_ns"] // MS).tolist() == durations_ms


def test_a_queue_of_one_server_waits_as_theory_says() -> None:
    # M/M/1 at 0.7: the mean time in the system is 1 / (mu - lambda) = 10 ms / 0.3.
    run = load({"latency": {"exponential": "10ms"}, "concurrency": 1}, {"rate": 70}, duration="20m")
    mean_ms = run.requests["duration_ns"].mean() / MS

    # Within 6 %: about four standard deviations of the mean of so many correlated waits.
    assert mean_ms == pytest.approx(10 / 0.3, rel=0.06)
    # The time in the system is exponential: its 90th percentile is ln(10) means.
    p90_ms = np.percentile(run.requests["duration_ns"], 90) / MS
    assert p90_ms == pytest.approx(np.log(10) * 10 / 0.3, rel=0.08)


def test_many_servers_leave_nobody_waiting() -> None:
    run = load({"latency": {"exponential": "10ms"}}, {"rate": 500}, duration="30s")

    assert run.requests["duration_ns"].mean() / MS == pytest.approx(10, rel=0.05)
