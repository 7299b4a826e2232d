"""Open and closed loops, against their arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simulator.scenario import Run
from tests.support.mesh import deployment, scenario, service

MS = 1_000_000


def run(*clients: dict[str, Any], duration: str = "10s", latency: str = "10ms") -> Run:
    given = {"from": "client.default", "url": "http://a:9080/"}
    return scenario(
        service("a"),
        deployment("a", "a"),
        deployment("client", "client", sidecar=False),
        workloads={"a": {"latency": latency}},
        network={"latency": "0ms"},
        clients=[given | one for one in clients],
        duration=duration,
    ).run()


def test_users_wait_for_the_answer_and_think() -> None:
    seen = run({"name": "c", "users": 1, "think": "15ms"}, duration="100ms")

    assert (seen.requests["start_ns"] / MS).tolist() == [0, 25, 50, 75]


def test_an_open_loop_keeps_its_rate_however_slow_the_answers() -> None:
    seen = run({"name": "c", "rate": 100}, latency="5s")

    # A Poisson count: within four standard deviations.
    assert len(seen.requests) == pytest.approx(1000, abs=4 * np.sqrt(1000))
    assert seen.requests["start_ns"].max() < 10_000 * MS


def test_arrivals_are_random_not_regular() -> None:
    seen = run({"name": "c", "rate": 100})
    gaps = np.diff(np.sort(seen.requests["start_ns"])) / MS

    assert gaps.mean() == pytest.approx(10, rel=0.15)
    assert gaps.std() == pytest.approx(10, rel=0.15)


def test_load_starts_and_stops_when_it_is_told() -> None:
    seen = run({"name": "c", "rate": 1000, "start": "2s", "stop": "3s"})
    starts = seen.requests["start_ns"] / MS

    assert 2000 <= starts.min() < 2050
    assert 2950 < starts.max() < 3000


def test_one_more_client_leaves_the_others_requests_where_they_were() -> None:
    alone = run({"name": "c", "rate": 100})
    beside = run({"name": "c", "rate": 100}, {"name": "d", "rate": 50})
    number = beside.names.index("c")
    mine = beside.requests[beside.requests["client"] == number]

    assert np.sort(mine["start_ns"]).tolist() == np.sort(alone.requests["start_ns"]).tolist()


def test_one_more_workload_leaves_the_others_journeys_as_they_were() -> None:
    def journeys(*more: dict[str, Any]) -> list[int]:
        clients = [{"name": "c", "from": "client.default", "url": "http://a:9080/", "rate": 100}]
        seen = scenario(
            service("a"),
            deployment("a", "a", replicas=3),
            deployment("client", "client", sidecar=False),
            deployment("another", "another", sidecar=False),
            network={"latency": {"exponential": "2ms"}},
            clients=[*clients, *more],
            duration="5s",
        ).run()
        number = seen.names.index("c")
        mine = seen.requests[seen.requests["client"] == number]
        return sorted(mine["duration_ns"].tolist())

    other = {"name": "d", "from": "another.default", "url": "http://a:9080/", "rate": 50}

    # Several replicas, exponential journeys: both are drawn by whoever sends.
    assert journeys() == journeys(other)


def test_constant_arrivals_are_evenly_spaced() -> None:
    seen = run({"name": "c", "rate": 100, "arrivals": "constant"}, duration="100ms")

    assert (seen.requests["start_ns"] / MS).tolist() == [10, 20, 30, 40, 50, 60, 70, 80, 90]


RISING = [{"at": "0s", "rate": 0}, {"at": "10s", "rate": 100}]
SPIKE = [{"at": at, "rate": rate} for at, rate in (("4s", 50), ("4s", 500), ("5s", 500), ("5s", 0))]


@pytest.mark.parametrize("arrivals", ["poisson", "constant"])
@pytest.mark.parametrize(
    ("ramp", "expected"),
    [
        pytest.param(RISING, [31, 94, 156, 219], id="a rate that rises from nothing"),
        pytest.param(SPIKE, [125, 575, 0, 0], id="a spike, and then nothing any more"),
        pytest.param([{"at": "1s", "rate": 40}], [100, 100, 100, 100], id="one rate all along"),
    ],
)
def test_a_ramp_sends_what_is_under_its_line(
    ramp: list[dict[str, Any]], expected: list[int], arrivals: str
) -> None:
    seen = run({"name": "c", "ramp": ramp, "arrivals": arrivals})
    counts, _ = np.histogram(seen.requests["start_ns"] / MS, [0, 2500, 5000, 7500, 10_000])

    # Poisson counts: within four standard deviations; even arrivals: but for those at the edges.
    tolerances = [4 * np.sqrt(each) if arrivals == "poisson" else 1 for each in expected]
    for count, wanted, tolerance in zip(counts, expected, tolerances, strict=True):
        assert count == pytest.approx(wanted, abs=tolerance)
