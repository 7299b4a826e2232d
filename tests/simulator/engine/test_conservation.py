"""Nothing gets lost, whatever the load, the faults and the time-outs."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.engine.recorder import DIRECTIONS
from simulator.scenario import Run
from tests.support.mesh import deployment, istio, scenario, service

LATENCIES = st.sampled_from(["0ms", "3ms", "30ms", {"exponential": "10ms"}])
BEHAVIOURS = st.fixed_dictionaries(
    {
        "latency": LATENCIES,
        "disturbances": st.lists(
            st.fixed_dictionaries(
                {"share": st.sampled_from([0.1, 0.5]), "status": st.sampled_from([404, 500, 503])}
            ),
            max_size=1,
        ),
    },
    optional={"concurrency": st.integers(1, 3)},
)
RULES = st.fixed_dictionaries(
    {
        "timeout": st.sampled_from(["5ms", "50ms", "1h"]),
        "retries": st.one_of(
            st.just({"attempts": 0}),
            st.fixed_dictionaries(
                {
                    "attempts": st.integers(1, 3),
                    "perTryTimeout": st.sampled_from(["4ms", "20ms"]),
                    "retryOn": st.just("5xx,reset"),
                }
            ),
        ),
    },
    optional={
        "fault": st.just(
            {
                "delay": {"percentage": {"value": 20}, "fixedDelay": "7ms"},
                "abort": {"percentage": {"value": 20}, "httpStatus": 503},
            }
        )
    },
)
CLIENTS = st.sampled_from([{"rate": 200}, {"users": 5, "think": "10ms"}])


def run(a: dict[str, Any], b: dict[str, Any], rule: dict[str, Any], load: dict[str, Any]) -> Run:
    spec = {"hosts": ["b"], "http": [rule | {"route": [{"destination": {"host": "b"}}]}]}
    client = {"name": "c", "from": "client.default", "url": "http://a:9080/"} | load
    return scenario(
        service("a"),
        service("b"),
        deployment("a", "a"),
        deployment("b", "b", replicas=2),
        deployment("client", "client"),
        istio("VirtualService", "b", spec),
        workloads={"a": a | {"calls": [{"url": "http://b:9080/"}]}, "b": b},
        network={"latency": {"exponential": "1ms"}},
        clients=[client],
        duration="300ms",
    ).run()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(BEHAVIOURS, BEHAVIOURS, RULES, CLIENTS)
def test_every_request_and_every_attempt_ends_just_once(
    a: dict[str, Any], b: dict[str, Any], rule: dict[str, Any], load: dict[str, Any]
) -> None:
    seen = run(a, b, rule, load)
    numbers = np.sort(seen.requests["request"]).tolist()
    outbound = seen.hops[seen.hops["direction"] == DIRECTIONS.index("outbound")]
    inbound = seen.hops[seen.hops["direction"] == DIRECTIONS.index("inbound")]

    assert numbers == list(range(len(numbers)))
    assert (seen.requests["duration_ns"] >= 0).all()
    assert (seen.hops["duration_ns"] >= 0).all()
    # What a request's time went for adds up.
    assert (seen.budget >= 0).all()
    assert (seen.budget.sum(axis=1) == seen.requests["duration_ns"]).all()
    # Each attempt arrives at one proxy, also when nobody waits for it any more; but for the
    # last one of a request that timed out while a connection was being made for it.
    lost = outbound["attempts"].sum() - len(inbound)
    assert 0 <= lost <= (outbound["status"] == 504).sum()
    # Each request that reaches the workload of `a` makes one call, whatever became of it.
    callers = [seen.names.index(name) for name in ("a-0.default",) if name in seen.names]
    assert len(outbound[np.isin(outbound["proxy"], callers)]) == len(
        inbound[np.isin(inbound["proxy"], callers)]
    )
