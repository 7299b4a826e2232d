"""One request's way through proxies and network: tiny worlds with exact times.

The network takes 1 ms one way, so that every time can be added up by hand.
"""

from __future__ import annotations

from typing import Any

import pytest

from simulator.config.scenario import Request
from simulator.observe.observation import Observation
from simulator.scenario import Scenario
from tests.support.mesh import deployment, istio, scenario, service

MS = 1_000_000
NETWORK = {"latency": "1ms"}
TCP, TLS = 2, 4
"""How many ms a connection takes to be made, without and with a handshake."""
CLIENT = deployment("client", "client")


def send(world: Scenario, url: str = "http://a:9080/", **more: Any) -> Observation:
    (seen,) = world.probe([Request(url=url, **{"from": "client.default"} | more)])
    return seen


def ways(seen: Observation) -> list[tuple[str, str, int | None, int | None]]:
    """Return each hop's proxy, direction, status and duration in ms."""
    return [
        (hop.proxy, hop.direction, hop.status, (hop.duration_ns or 0) // MS) for hop in seen.hops
    ]


def test_a_request_takes_two_journeys_and_the_work() -> None:
    seen = send(
        scenario(
            service("a"),
            deployment("a", "a"),
            CLIENT,
            network=NETWORK,
            workloads={"a": {"latency": "5ms"}},
        )
    )

    assert (seen.status, seen.duration_ns) == (200, (TLS + 2 + 5) * MS)
    assert ways(seen) == [
        ("client-0.default", "outbound", 200, TLS + 7),
        ("a-0.default", "inbound", 200, 5),
    ]


def test_calls_follow_the_own_work_one_after_the_other() -> None:
    seen = send(
        scenario(
            *(service(name) for name in "abc"),
            *(deployment(name, name) for name in "abc"),
            CLIENT,
            network=NETWORK,
            workloads={
                "a": {
                    "latency": "5ms",
                    "calls": [{"url": "http://b:9080/"}, {"url": "http://c:9080/"}],
                },
                "b": {"latency": "10ms"},
                "c": {"latency": "20ms"},
            },
        )
    )

    assert seen.duration_ns == (TLS + 2 + 5 + TLS + 12 + TLS + 22) * MS
    assert ways(seen) == [
        ("client-0.default", "outbound", 200, 53),
        ("a-0.default", "inbound", 200, 47),
        ("a-0.default", "outbound", 200, TLS + 12),
        ("b-0.default", "inbound", 200, 10),
        ("a-0.default", "outbound", 200, TLS + 22),
        ("c-0.default", "inbound", 200, 20),
    ]


def test_a_failed_call_does_not_fail_the_answer() -> None:
    seen = send(
        scenario(
            service("a"),
            deployment("a", "a"),
            CLIENT,
            workloads={"a": {"calls": [{"url": "http://nowhere:9080/"}]}},
        )
    )

    assert (seen.status, len(seen.hops)) == (200, 2)


def test_calls_carry_the_headers_that_are_forwarded() -> None:
    seen = send(
        scenario(
            service("a"),
            service("b"),
            deployment("a", "a"),
            deployment("b", "b"),
            CLIENT,
            workloads={"a": {"calls": [{"url": "http://b:9080/", "headers": {"x-own": "1"}}]}},
        ),
        headers={"end-user": "jason", "x-other": "2"},
    )
    headers = seen.hops[2].request_headers_upstream or {}

    assert headers["end-user"] == "jason"
    assert headers["x-own"] == "1"
    assert "x-other" not in headers


VIRTUAL_SERVICE = {
    "hosts": ["a"],
    "http": [
        {
            "timeout": "50ms",
            "retries": {"attempts": 2, "perTryTimeout": "20ms", "retryOn": "5xx", "backoff": "1ms"},
            "route": [{"destination": {"host": "a"}}],
        }
    ],
}


def test_a_request_without_an_answer_in_time_is_given_up_and_the_work_goes_on() -> None:
    rule = {
        "hosts": ["a"],
        "http": [
            {
                "timeout": "10ms",
                "retries": {"attempts": 0},
                "route": [{"destination": {"host": "a"}}],
            }
        ],
    }
    world = scenario(
        service("a"),
        service("b"),
        deployment("a", "a"),
        deployment("b", "b"),
        CLIENT,
        istio("VirtualService", "a", rule),
        network=NETWORK,
        workloads={"a": {"latency": "30ms", "calls": [{"url": "http://b:9080/"}]}},
    )
    seen = send(world)

    assert (seen.status, seen.response_flags, seen.duration_ns) == (504, ("UT",), 10 * MS)
    # The server's proxy learns of it a journey later; its workload still makes its call.
    assert ways(seen) == [
        ("client-0.default", "outbound", 504, 10),
        ("a-0.default", "inbound", None, 10 - TLS),
        ("a-0.default", "outbound", 200, TLS + 2),
        ("b-0.default", "inbound", 200, 0),
    ]
    assert seen.hops[1].response_flags == ("DC",)


def test_attempts_time_out_one_by_one_and_are_tried_again() -> None:
    world = scenario(
        service("a"),
        deployment("a", "a"),
        CLIENT,
        istio("VirtualService", "a", VIRTUAL_SERVICE),
        network=NETWORK,
        workloads={"a": {"script": [{"latency": "1s"}, {"latency": "2ms"}]}},
    )
    seen = send(world)

    assert (seen.status, seen.attempts) == (200, 2)
    assert [hop.response_flags for hop in seen.hops] == [(), ("DC",), ()]
    # A time-out of 20 ms, a back-off below 25 ms (Envoy's base), then 4 ms.
    assert 24 * MS <= (seen.duration_ns or 0) < 50 * MS


def test_a_pod_without_a_proxy_is_reached_directly() -> None:
    world = scenario(service("a"), deployment("a", "a", sidecar=False), CLIENT, network=NETWORK)
    seen = send(world)

    assert ways(seen) == [("client-0.default", "outbound", 200, TCP + 2)]


def test_a_client_without_a_proxy_has_none_of_its_own() -> None:
    world = scenario(
        service("a"),
        deployment("a", "a"),
        deployment("client", "client", sidecar=False),
        network=NETWORK,
    )
    seen = send(world)

    assert ways(seen) == [("a-0.default", "inbound", 200, 0)]
    assert seen.duration_ns == 2 * MS


def test_a_port_where_nothing_listens_refuses_its_own_proxy() -> None:
    world = scenario(service("a", port=9080), deployment("a", "a", port=7000), CLIENT)
    seen = send(world)

    assert (seen.status, seen.response_flags) == (503, ())
    assert seen.hops[1].status == 503
    assert "UF" in seen.hops[1].response_flags


@pytest.mark.parametrize(
    ("url", "more", "error"),
    [
        pytest.param("http://nowhere/", {}, "could not resolve host: nowhere", id="unknown-host"),
        pytest.param(
            "http://a:9080/",
            {"from": "outside"},
            "could not resolve host: a",
            id="a-service-is-unknown-outside",
        ),
        pytest.param("a:9080", {}, "'a:9080' is not a URL", id="not-a-url"),
    ],
)
def test_a_request_that_goes_nowhere_says_why(url: str, more: dict[str, Any], error: str) -> None:
    seen = send(scenario(service("a"), deployment("a", "a"), CLIENT), url, **more)

    assert seen.status is None
    assert (seen.error or "").startswith(error)


def test_the_same_request_gives_the_same_observation() -> None:
    world = scenario(
        service("a"),
        deployment("a", "a", replicas=5),
        CLIENT,
        workloads={"a": {"latency": {"exponential": "5ms"}}},
    )
    request = Request(url="http://a:9080/", from_="client.default", count=20)  # type: ignore[call-arg]

    assert world.probe([request], seed=3) == world.probe([request], seed=3)
    assert world.probe([request], seed=3) != world.probe([request], seed=4)


def test_a_connection_that_no_listener_takes_is_explained() -> None:
    world = scenario(service("a"), deployment("a", "a"), CLIENT)
    request = Request.model_validate(
        {"url": "http://nobody.test/", "via": "istio-ingressgateway.istio-system"}
    )
    (seen,) = world.probe([request], explain=True)
    assert seen.explain is not None
    (miss,) = seen.explain.children

    assert (seen.status, seen.error, seen.hops) == (None, "connection refused", ())
    assert miss.reason == "closes the connection: no listener takes it"


def test_a_copy_reaches_its_workload_and_keeps_nobody_waiting() -> None:
    route = {
        "route": [{"destination": {"host": "a"}}],
        "mirror": {"host": "b"},
    }
    seen = send(
        scenario(
            *(service(name) for name in "ab"),
            *(deployment(name, name) for name in "ab"),
            CLIENT,
            istio("VirtualService", "a", {"hosts": ["a"], "http": [route]}),
            network=NETWORK,
            workloads={"a": {"latency": "5ms"}, "b": {"latency": "1s"}},
        )
    )

    assert (seen.status, seen.duration_ns) == (200, (TLS + 7) * MS)
    assert ways(seen) == [
        ("client-0.default", "outbound", 200, TLS + 7),
        ("a-0.default", "inbound", 200, 5),
        ("b-0.default", "inbound", 200, 1000),
    ]
    assert seen.cluster == "outbound|9080||a.default.svc.cluster.local"
