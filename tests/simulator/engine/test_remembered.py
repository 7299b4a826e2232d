"""A run in which what was decided before is remembered is the same as one in which nothing is."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from simulator.envoy.courses import Courses
from simulator.envoy.stream import Stream
from simulator.scenario import Run, Scenario
from tests.simulator.engine.test_conservation import BEHAVIOURS, CLIENTS, RULES
from tests.simulator.engine.test_conservation import run as chained
from tests.support.mesh import deployment, istio, scenario, service

TWO_VERSIONS: dict[str, Any] = {
    "hosts": ["b"],
    "http": [
        {
            "match": [{"headers": {"x-request-id": {"regex": "[0-7].*"}}}],
            "route": [{"destination": {"host": "b", "subset": "v1"}}],
        },
        {
            "route": [
                {"destination": {"host": "b", "subset": "v1"}, "weight": 70},
                {"destination": {"host": "b", "subset": "v2"}, "weight": 30},
            ],
            "retries": {"attempts": 2, "retryOn": "5xx", "perTryTimeout": "9ms"},
        },
    ],
}
BY_WEIGHT = {"hosts": ["b"], "http": TWO_VERSIONS["http"][1:]}


def policy(**traffic: Any) -> str:
    subsets = [{"name": name, "labels": {"version": name}} for name in ("v1", "v2")]
    spec = {"host": "b", "subsets": subsets} | ({"trafficPolicy": traffic} if traffic else {})
    return istio("DestinationRule", "b", spec)


NOBODY = json.dumps(
    {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "b", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "b"}}},
    }
)


def busy(*manifests: str, **client: Any) -> Scenario:
    return scenario(
        service("a"),
        service("b"),
        deployment("a", "a"),
        deployment("b-one", "b", version="v1", replicas=2),
        deployment("b-two", "b", version="v2", replicas=2),
        deployment("client", "client"),
        *manifests,
        workloads={
            "a": {"latency": "1ms", "calls": [{"url": "http://b:9080/x"}]},
            "b-one": {"latency": {"exponential": "4ms"}, "concurrency": 1},
            "b-two": {
                "latency": {"exponential": "4ms"},
                "disturbances": [{"share": 0.2, "status": 503}],
            },
        },
        network={"latency": {"exponential": "1ms"}},
        clients=[
            {"name": "c", "from": "client.default", "url": "http://a:9080/", "rate": 300} | client
        ],
        duration="400ms",
    )


def rows(run: Run) -> tuple[str, bytes, bytes]:
    names = [run.names, run.summary]
    return repr(names), run.requests.tobytes(), run.hops.tobytes()


def forgetful(go: Callable[[], Run]) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simulator.envoy.courses.is_steady", lambda *_: False)
        return go()


@pytest.mark.parametrize(
    "manifests",
    [
        pytest.param((), id="no rules at all"),
        pytest.param((policy(), istio("VirtualService", "b", BY_WEIGHT)), id="weights and retries"),
        pytest.param((NOBODY,), id="all hosts refuse in the same words"),
        pytest.param(
            (policy(), istio("VirtualService", "b", TWO_VERSIONS)), id="routes by the request's id"
        ),
        pytest.param(
            (
                policy(
                    connectionPool={
                        "tcp": {"maxConnections": 1},
                        "http": {"http1MaxPendingRequests": 1},
                    }
                ),
                istio("VirtualService", "b", BY_WEIGHT),
            ),
            id="queues and circuit breakers",
        ),
        pytest.param(
            (
                policy(
                    outlierDetection={
                        "consecutive5xxErrors": 1,
                        "interval": "10ms",
                        "baseEjectionTime": "30ms",
                        "maxEjectionPercent": 100,
                    }
                ),
                istio("VirtualService", "b", BY_WEIGHT),
            ),
            id="ejected hosts",
        ),
        pytest.param(
            (policy(loadBalancer={"consistentHash": {"httpHeaderName": "x-request-id"}}),),
            id="hosts by the hash of the request's id",
        ),
        pytest.param(
            (policy(loadBalancer={"consistentHash": {"useSourceIp": True}}),),
            id="hosts by the hash of the source",
        ),
        pytest.param(
            (
                istio(
                    "VirtualService",
                    "b",
                    {
                        "hosts": ["b"],
                        "http": [
                            {
                                "fault": {
                                    "abort": {"percentage": {"value": 30}, "httpStatus": 418}
                                },
                                "headers": {"request": {"set": {"x-id": "%REQ(x-request-id)%"}}},
                                "route": [{"destination": {"host": "b"}}],
                            }
                        ],
                    },
                ),
            ),
            id="faults and headers made of the request's id",
        ),
    ],
)
def test_a_run_is_the_same_whether_or_not_anything_is_remembered(
    manifests: tuple[str, ...],
) -> None:
    go = busy(*manifests).run

    assert rows(go()) == rows(forgetful(go))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(BEHAVIOURS, BEHAVIOURS, RULES, CLIENTS)
def test_whatever_the_load_and_the_faults_a_run_is_the_same(
    a: dict[str, Any], b: dict[str, Any], rule: dict[str, Any], load: dict[str, Any]
) -> None:
    assert rows(chained(a, b, rule, load)) == rows(forgetful(lambda: chained(a, b, rule, load)))


def test_most_requests_are_not_decided_anew() -> None:
    seen = []
    start = Stream.start

    def counting(stream: Stream, now: int) -> object:
        seen.append(now)
        return start(stream, now)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stream, "start", counting)
        run = busy(policy(), istio("VirtualService", "b", BY_WEIGHT)).run()

    assert len(run.hops) > 400
    assert len(seen) < len(run.hops) // 4


def test_what_is_remembered_is_bounded() -> None:
    made = []
    take = Courses._shape

    def watched(courses: Courses, request: Any) -> object:
        made.append(len(courses._like))
        return take(courses, request)

    spec = {"hosts": ["b"], "http": [{"route": [{"destination": {"host": "b"}}]}]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simulator.envoy.courses.MOST_KNOWN", 3)
        patch.setattr(Courses, "_shape", watched)
        run = busy(istio("VirtualService", "b", spec)).run()

    assert max(made) <= 3
    assert np.isin(run.requests["status"], (200,)).all()
