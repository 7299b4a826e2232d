"""Where a request's time went, in meshes where that can be counted."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.engine.budget import PARTS
from simulator.scenario import Run
from tests.support.mesh import deployment, istio, scenario, service

MS = 1_000_000
CLIENT = {
    "name": "c",
    "from": "client.default",
    "url": "http://a:9080/",
    "users": 1,
    "think": "1m",
}


def ran(*manifests: str, client: dict[str, Any] | None = None, **workloads: Any) -> Run:
    return scenario(
        service("a"),
        deployment("a", "a"),
        deployment("client", "client"),
        *manifests,
        workloads=workloads,
        network={"latency": "1ms"},
        clients=[CLIENT | (client or {})],
        duration="1s",
    ).run()


def spent(run: Run, at: int = 0) -> dict[str, float]:
    parts = zip(PARTS, run.budget[at].tolist(), strict=True)
    return {name: value_ns / MS for name, value_ns in parts if value_ns}


def test_one_call_waits_for_a_connection_the_network_and_the_workload() -> None:
    assert spent(ran(a={"latency": "10ms"})) == {"proxy": 4, "network": 2, "application": 10}


def test_whoever_stands_in_line_waits_in_the_queue() -> None:
    run = ran(a={"latency": "10ms", "concurrency": 1}, client={"users": 2})

    assert spent(run, 1) == {"proxy": 4, "queue": 10, "network": 2, "application": 10}


def test_the_time_of_a_workload_that_is_called_is_its_own() -> None:
    run = ran(
        service("b"),
        deployment("b", "b"),
        a={"latency": "10ms", "calls": [{"url": "http://b:9080/"}]},
        b={"latency": "5ms"},
    )

    assert spent(run) == {"proxy": 8, "network": 4, "application": 15}


def test_what_a_fault_delays_is_the_proxys() -> None:
    rule = {
        "hosts": ["a"],
        "http": [
            {
                "fault": {"delay": {"percentage": {"value": 100}, "fixedDelay": "70ms"}},
                "route": [{"destination": {"host": "a"}}],
            }
        ],
    }
    run = ran(istio("VirtualService", "a", rule), a={"latency": "10ms"})

    assert spent(run) == {"proxy": 74, "network": 2, "application": 10}


def test_an_attempt_that_is_made_again_counts_as_retry() -> None:
    rule = {
        "hosts": ["a"],
        "http": [
            {
                "retries": {"attempts": 1, "retryOn": "5xx"},
                "route": [{"destination": {"host": "a"}}],
            }
        ],
    }
    script = [{"status": 503, "latency": "5ms"}, {"latency": "5ms"}]
    run = ran(istio("VirtualService", "a", rule), a={"script": script})
    (waited_ns,) = run.hops[run.hops["parent"] == -1]["waited_ns"].tolist()

    # A connection in 4 ms, a first attempt of 7 ms, and the back-off.
    assert spent(run) == {
        "retry": pytest.approx(11 + waited_ns / MS),
        "network": 2,
        "application": 5,
    }


def test_what_happens_behind_no_proxy_is_the_applications() -> None:
    run = scenario(
        service("a"),
        deployment("a", "a", sidecar=False),
        deployment("client", "client"),
        workloads={"a": {"latency": "10ms"}},
        network={"latency": "1ms"},
        clients=[CLIENT],
        duration="1s",
    ).run()

    assert set(spent(run)) == {"proxy", "application"}
