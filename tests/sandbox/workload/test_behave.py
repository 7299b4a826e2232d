from __future__ import annotations

import statistics
from random import Random
from typing import Any

import pytest

from sandbox.workload.behave import Answers, sample
from simulator.config.scenario import Behaviour, Latency


def turns(behaviour: dict[str, Any], number: int) -> list[tuple[int, int]]:
    answers = Answers(Behaviour.model_validate(behaviour), Random(7))
    return [(turn.status, turn.latency_ns) for turn in (answers.next() for _ in range(number))]


@pytest.mark.parametrize(
    ("behaviour", "wanted"),
    [
        pytest.param({}, [(200, 0)] * 3, id="by-default-200-at-once"),
        pytest.param({"latency": "2ms"}, [(200, 2_000_000)] * 3, id="a-fixed-latency"),
        pytest.param(
            {"script": [{"status": 503}, {"status": 200, "latency": "1s"}], "latency": "1ms"},
            [(503, 1_000_000), (200, 1_000_000_000), (503, 1_000_000)],
            id="a-script-starts-again-after-its-end",
        ),
        pytest.param(
            {
                "disturbances": [{"share": 0, "status": 500}, {"share": 1, "status": 502}],
                "latency": "1ms",
            },
            [(502, 1_000_000)] * 3,
            id="the-first-disturbance-that-hits-decides",
        ),
        pytest.param(
            {"script": [{"status": 204}], "disturbances": [{"share": 1, "status": 500}]},
            [(204, 0)] * 3,
            id="a-script-is-not-disturbed",
        ),
    ],
)
def test_turns(behaviour: dict[str, Any], wanted: list[tuple[int, int]]) -> None:
    assert turns(behaviour, 3) == wanted


def test_a_disturbance_comes_as_often_as_its_share_says() -> None:
    found = turns({"disturbances": [{"share": 0.25, "status": 500}]}, 4000)

    assert sum(status == 500 for status, _ in found) == pytest.approx(1000, abs=120)


@pytest.mark.parametrize(
    ("latency", "p50", "p99"),
    [
        pytest.param({"p50": "10ms", "p99": "40ms"}, 10e6, 40e6, id="log-normal"),
        pytest.param({"exponential": "10ms"}, 6.93e6, 46.05e6, id="exponential"),
        pytest.param({"p50": "0s", "p99": "0s"}, 0, 0, id="no-time-at-all"),
        pytest.param({"gamma": "10ms", "shape": 1}, 6.93e6, 46.05e6, id="gamma"),
        pytest.param(
            {"histogram": {"10ms": 75, "20ms": 15, "1s": 10}}, 6.67e6, 902e6, id="histogram"
        ),
    ],
)
def test_latencies_have_their_quantiles(latency: dict[str, Any], p50: float, p99: float) -> None:
    chance = Random(7)
    found = sorted(sample(Latency.model_validate(latency), chance) for _ in range(20_000))

    assert statistics.median(found) == pytest.approx(p50, rel=0.05)
    assert found[int(len(found) * 0.99)] == pytest.approx(p99, rel=0.1)
