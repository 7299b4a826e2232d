"""A proxy's health checks on their way to its endpoints."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.config.scenario import Answer, Behaviour, Latency, Request, ScenarioFile
from simulator.engine.ask import Ask, request_of
from simulator.engine.exchange import Trace
from simulator.engine.probe import probe
from simulator.engine.proxy_node import ProxyNode
from simulator.engine.standalone import Standalone
from simulator.engine.world import World
from tests.simulator.engine.test_standalone import cluster, listener

SECOND = 1_000_000_000
PLENTY = 100_000
A, B = "10.9.0.1", "10.9.0.2"
USUAL: dict[str, Any] = {
    "timeout": "1s",
    "interval": "1s",
    "no_traffic_interval": "1s",
    "unhealthy_threshold": 2,
    "healthy_threshold": 2,
}
HTTP = {"http_health_check": {"path": "/"}}
TCP: dict[str, Any] = {"tcp_health_check": {}}


def world(behaviour: Behaviour | None = None, **check: Any) -> tuple[World, ProxyNode]:
    """Return a world of one Envoy with two endpoints, of which the first behaves so."""
    pages = cluster("pages", (A, 80), (B, 80))
    pages["health_checks"] = [{**USUAL, **(check or HTTP)}]
    static = {"listeners": [listener(10000, "pages")], "clusters": [pages]}
    one = Standalone.of({"static_resources": static})
    workloads = {f"{A}.standalone": behaviour} if behaviour else {}
    made = World(one.mesh, ScenarioFile(workloads=workloads), lambda _: one.config, seed=1)
    return made, made.node(one.mesh.pods[0])


def out(node: ProxyNode) -> str:
    hosts = node.proxy.upstreams["pages"].hosts
    return "".join("x" if host.failed else "-" for host in hosts.values())


def script(*statuses: int) -> Behaviour:
    return Behaviour(script=tuple(Answer(status=status) for status in statuses))


@pytest.mark.parametrize(
    ("behaviour", "check", "want"),
    [
        pytest.param(None, HTTP, "-- -- -- --", id="all-well"),
        pytest.param(script(200, 503, 200, 200), HTTP, "-- x- x- --", id="out-and-back"),
        pytest.param(script(503, 503, 503, 503), TCP, "-- -- -- --", id="a-connection-is-enough"),
        pytest.param(Behaviour(latency=Latency(fixed=2 * SECOND)), HTTP, "x- x- x- x-", id="slow"),
    ],
)
def test_checks_go_on_while_time_passes(
    behaviour: Behaviour | None, check: dict[str, Any], want: str
) -> None:
    one, node = world(behaviour, **check)
    found = [out(node)]
    for at in range(4):
        one.agenda.advance(int((at + 0.9) * SECOND), PLENTY)
        found.append(out(node))

    assert found[0] == "xx"
    assert " ".join(found[1:]) == want


def test_a_port_where_nobody_listens_fails_its_checks() -> None:
    pages = cluster("pages", (A, 80))
    pages["health_checks"] = [{**USUAL, **TCP}]
    (endpoint,) = pages["load_assignment"]["endpoints"][0]["lb_endpoints"]
    endpoint["endpoint"]["health_check_config"] = {"port_value": 81}
    static = {"listeners": [listener(10000, "pages")], "clusters": [pages]}
    one = Standalone.of({"static_resources": static})
    made = World(one.mesh, ScenarioFile(), lambda _: one.config, seed=1)
    node = made.node(one.mesh.pods[0])

    made.agenda.advance(SECOND // 2, PLENTY)

    assert out(node) == "x"


def test_checks_keep_no_world_from_coming_to_rest() -> None:
    one, node = world()

    one.agenda.drain(PLENTY)

    assert out(node) == "--"
    assert one.agenda.now < SECOND


def test_checks_go_on_while_a_request_is_under_way() -> None:
    one, node = world(Behaviour(latency=Latency(fixed=3 * SECOND)), **TCP)
    requests = [Request(url="http://h:10000/", via="envoy.standalone")] * 2
    for at, request in enumerate(requests):
        seen = probe(one, request, id="x", n=at)
        assert seen.status == 200

    checker = node.proxy.upstreams["pages"].health
    assert checker is not None
    # Two endpoints, asked at the start and after each of three seconds.
    assert checker.counts.attempt == 8


def test_requests_wait_until_the_endpoints_were_asked() -> None:
    one, node = world(Behaviour(latency=Latency(fixed=SECOND // 2)))
    target = one.target(None, "http://h:10000/", "envoy.standalone")
    asks = [Ask(one, target, Trace(n), lambda _: None) for n in range(2)]
    for ask in asks:
        ask.send(None, request_of(target, "GET", {}))

    one.agenda.advance(SECOND // 2, PLENTY)
    assert [ask.ended_ns for ask in asks] == [-1, -1]
    one.agenda.drain(PLENTY)

    assert not node.checks.warming
    assert all(ask.ended_ns > SECOND // 2 for ask in asks)


def test_what_no_check_passes_still_serves_in_panic() -> None:
    one, node = world(None, http_health_check={"path": "/", "expected_statuses": [
        {"start": 204, "end": 205}]})  # fmt: skip
    seen = probe(one, Request(url="http://h:10000/", via="envoy.standalone"), id="x", n=0)

    assert out(node) == "xx"
    assert seen.status == 200


def test_reasons_tell_of_health_checks() -> None:
    one, _ = world(script(503, 503))
    request = Request(url="http://h:10000/", via="envoy.standalone")
    seen = probe(one, request, id="x", n=0, source=lambda *_: None)

    assert "is kept out by its health checks: the last one failed" in str(seen.explain)
