"""Observed requests happen again: what the simulator saw with one seed, it repeats with another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulator.config.scenario import Request
from simulator.observe.observation import Observation
from simulator.scenario import Scenario
from tests.support.mesh import deployment, istio, scenario, service


@pytest.fixture(scope="module")
def world() -> Scenario:
    rule = {
        "hosts": ["b"],
        "http": [
            {
                "fault": {
                    "delay": {"percentage": {"value": 30}, "fixedDelay": "5ms"},
                    "abort": {"percentage": {"value": 10}, "httpStatus": 418},
                },
                "retries": {"attempts": 2, "perTryTimeout": "30ms", "retryOn": "5xx"},
                "route": [
                    {"destination": {"host": "b", "subset": "v1"}, "weight": 50},
                    {"destination": {"host": "b", "subset": "v2"}, "weight": 50},
                ],
            }
        ],
    }
    subsets = [{"name": name, "labels": {"version": name}} for name in ("v1", "v2")]
    return scenario(
        service("a"),
        service("b"),
        deployment("a", "a"),
        deployment("b-v1", "b", version="v1", replicas=3),
        deployment("b-v2", "b", version="v2", replicas=2),
        deployment("client", "client"),
        istio("VirtualService", "b", rule),
        istio("DestinationRule", "b", {"host": "b", "subsets": subsets}),
        workloads={
            "a": {"calls": [{"url": "http://b:9080/"}]},
            "b-v1": {
                "latency": {"exponential": "10ms"},
                "disturbances": [{"share": 0.3, "status": 503}],
            },
            "b-v2": {"latency": {"exponential": "10ms"}},
        },
    )


REQUEST = Request.model_validate(
    {
        "url": "http://a:9080/",
        "from": "client.default",
        "count": 150,
        # Told, as it would be made up anew each time.
        "headers": {"x-request-id": "told"},
    }
)


@pytest.fixture(scope="module")
def observed(world: Scenario) -> tuple[Observation, ...]:
    return world.probe([REQUEST], seed=99)


def decided(seen: Observation) -> Observation:
    """Return an observation without its times, which are not repeated exactly."""
    hops = tuple(replace(hop, duration_ns=None) for hop in seen.hops)
    return replace(seen, duration_ns=None, hops=hops)


def test_the_requests_differ_enough_to_prove_something(observed: tuple[Observation, ...]) -> None:
    flags = {flag for seen in observed for hop in seen.hops for flag in hop.response_flags}
    attempts = {hop.attempts for seen in observed for hop in seen.hops}

    assert {"DI", "FI", "DC"} <= flags
    assert {0, 1, 2, 3} <= attempts


def test_every_observed_request_is_repeated(
    world: Scenario, observed: tuple[Observation, ...]
) -> None:
    repeated = [world.replay(REQUEST, seen) for seen in observed]

    assert [decided(one) for one in repeated] == [decided(one) for one in observed]


def test_a_workload_that_never_answered_does_not_answer(
    world: Scenario, observed: tuple[Observation, ...]
) -> None:
    given_up = next(
        seen for seen in observed if any("DC" in hop.response_flags for hop in seen.hops)
    )
    repeated = world.replay(REQUEST, given_up)

    assert [hop.response_flags for hop in repeated.hops] == [
        hop.response_flags for hop in given_up.hops
    ]
