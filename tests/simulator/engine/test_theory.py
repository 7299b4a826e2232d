"""Queues, retries and balancers, against what is known of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simulator.engine.recorder import DIRECTIONS
from simulator.scenario import Run
from tests.support.mesh import deployment, istio, scenario, service

MS = 1_000_000


def queue(
    latency: str | dict[str, Any], rate: float, *, servers: int = 1, minutes: int = 20, **more: Any
) -> Run:
    return scenario(
        service("a"),
        deployment("a", "a", sidecar=False),
        deployment("client", "client", sidecar=False),
        workloads={"a": {"latency": latency, "concurrency": servers} | more},
        network={"latency": "0ms"},
        clients=[{"name": "c", "from": "client.default", "url": "http://a:9080/", "rate": rate}],
        duration=f"{minutes}m",
    ).run()


def erlang_c(servers: int, load: float) -> float:
    """Return the share of customers that wait, of `load` Erlangs."""
    blocked = 1.0
    for each in range(1, servers + 1):
        blocked = load * blocked / (each + load * blocked)
    return blocked / (1 - load / servers * (1 - blocked))


def test_one_server_with_a_fixed_time_waits_half_as_long_as_with_a_random_one() -> None:
    # M/D/1 at 0.7: the mean wait is rho / (2 mu (1 - rho)).
    seen = queue("10ms", 70)
    waits_ms = seen.requests["duration_ns"] / MS - 10

    assert waits_ms.mean() == pytest.approx(10 * 0.7 / (2 * 0.3), rel=0.06)


def test_steadier_work_waits_less_as_pollaczek_and_khinchin_say() -> None:
    # M/G/1: the mean wait is rho (1 + cv ** 2) / (2 mu (1 - rho)); gamma has cv ** 2 = 1 / shape.
    seen = queue({"gamma": "10ms", "shape": 4}, 70)
    mean_ms = seen.requests["duration_ns"].mean() / MS

    assert mean_ms == pytest.approx(10 + 10 * 0.7 * 1.25 / (2 * 0.3), rel=0.06)


@pytest.mark.parametrize("servers", [2, 5])
def test_several_servers_wait_as_erlang_says(servers: int) -> None:
    # M/M/c at 0.8 of its capacity.
    rate = 0.8 * servers * 100
    seen = queue({"exponential": "10ms"}, rate, servers=servers, minutes=5)
    wait_ms = erlang_c(servers, 0.8 * servers) * 10 / (servers * 0.2)

    assert seen.requests["duration_ns"].mean() / MS == pytest.approx(10 + wait_ms, rel=0.06)


def test_a_queue_without_room_loses_what_erlang_says() -> None:
    # M/M/1/2: of n = 0, 1, 2 customers, each is rho times as likely as the one before.
    seen = queue({"exponential": "10ms"}, 80, minutes=5, queue=1)
    lost = np.mean(seen.requests["status"] == 503)

    assert lost == pytest.approx(0.8**2 / (1 + 0.8 + 0.8**2), rel=0.05)


def test_requests_in_the_system_are_arrivals_times_their_time() -> None:
    seen = queue({"exponential": "10ms"}, 70, minutes=5)
    starts = seen.requests["start_ns"]
    ends = starts + seen.requests["duration_ns"]
    moments = np.linspace(0, seen.duration_ns, 20_000)
    inside = np.searchsorted(np.sort(starts), moments) - np.searchsorted(np.sort(ends), moments)
    rate = len(starts) / seen.duration_ns

    assert inside.mean() == pytest.approx(rate * seen.requests["duration_ns"].mean(), rel=0.02)


def meshed(*manifests: str, replicas: int = 1, rate: float = 200, **behaviour: Any) -> Run:
    return scenario(
        service("a"),
        deployment("a", "a", replicas=replicas),
        deployment("client", "client"),
        *manifests,
        workloads={"a": behaviour},
        network={"latency": "0ms"},
        clients=[{"name": "c", "from": "client.default", "url": "http://a:9080/", "rate": rate}],
        duration="60s",
    ).run()


@pytest.mark.parametrize("failing", [0.2, 0.5])
def test_retries_amplify_the_load_as_a_geometric_series(failing: float) -> None:
    retries = {"attempts": 3, "retryOn": "5xx"}
    spec = {
        "hosts": ["a"],
        "http": [{"route": [{"destination": {"host": "a"}}], "retries": retries}],
    }
    limits = {"connectionPool": {"http": {"maxRetries": 1000}}}
    seen = meshed(
        istio("VirtualService", "a", spec),
        istio("DestinationRule", "a", {"host": "a", "trafficPolicy": limits}),
        disturbances=[{"share": failing, "status": 503}],
    )
    inbound = seen.hops[seen.hops["direction"] == DIRECTIONS.index("inbound")]

    series = sum(failing**attempt for attempt in range(4))
    assert len(inbound) / len(seen.requests) == pytest.approx(series, rel=0.03)
    assert np.mean(seen.requests["status"] == 503) == pytest.approx(failing**4, abs=0.01)


def test_two_choices_leave_shorter_lines_than_one() -> None:
    def longest(balancer: str) -> float:
        policy = {"loadBalancer": {"simple": balancer}}
        seen = meshed(
            istio("DestinationRule", "a", {"host": "a", "trafficPolicy": policy}),
            replicas=10,
            rate=800,
            latency={"exponential": "10ms"},
            concurrency=1,
        )
        waits = seen.hops["waited_ns"][seen.hops["direction"] == DIRECTIONS.index("inbound")]
        return float(np.percentile(waits, 99) / MS)

    # With random choices each is an M/M/1 of 0.8: the wait's 99th percentile is ln(80) * 50 ms.
    assert longest("RANDOM") == pytest.approx(np.log(80) * 50, rel=0.15)
    # Two choices with full knowledge have tails that fall doubly exponentially.
    assert longest("LEAST_REQUEST") < longest("RANDOM") / 3
