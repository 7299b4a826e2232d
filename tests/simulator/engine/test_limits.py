"""Circuit breakers and ejection of a DestinationRule, at work in a mesh."""

from __future__ import annotations

from typing import Any

from simulator.engine.run import Run
from tests.support.mesh import deployment, istio, scenario, service

SECOND = 1_000_000_000
NO_RETRIES = {
    "hosts": ["a"],
    "http": [{"retries": {"attempts": 0}, "route": [{"destination": {"host": "a"}}]}],
}


def run(
    policy: dict[str, Any], client: dict[str, Any], workloads: dict[str, Any], *deployments: str
) -> Run:
    load = {"name": "load", "from": "client.default", "url": "http://a:9080/", **client}
    mesh = scenario(
        service("a"),
        *deployments,
        deployment("client", "client"),
        istio("DestinationRule", "a", {"host": "a", "trafficPolicy": policy}),
        istio("VirtualService", "a", NO_RETRIES),
        clients=[load],
        workloads=workloads,
        network={"latency": "1ms"},
    )
    return mesh.run(seed=1, until_ns=60 * SECOND)


def pool(connections: int, pending: int) -> dict[str, Any]:
    http = {"http1MaxPendingRequests": pending}
    return {"connectionPool": {"tcp": {"maxConnections": connections}, "http": http}}


def test_who_gets_no_connection_and_may_not_wait_is_refused() -> None:
    slow = {"a": {"latency": "10ms"}}
    client = {"users": 3, "think": "5ms"}
    one = deployment("a", "a")

    (tight,) = run(pool(1, 1), client, slow, one).summary.clients
    (wide,) = run(pool(3, 1), client, slow, one).summary.clients

    # One request is served and one waits; a third that comes meanwhile is refused.
    assert tight.flags["UO"] > 1000
    assert set(tight.statuses) == {"200", "503"}
    # There is room for all, once the connections are made: until then just one may wait.
    assert wide.flags.get("UO", 0) <= 4
    assert wide.statuses["200"] > 10_000


def test_a_version_that_fails_is_left_out() -> None:
    bad = {"b": {"script": [{"status": 503}]}}
    outliers = {
        "consecutive5xxErrors": 5,
        "interval": "1s",
        "baseEjectionTime": "60s",
        "maxEjectionPercent": 50,
    }
    pods = deployment("a", "a"), deployment("b", "a")

    (kept,) = run({"loadBalancer": {"simple": "RANDOM"}}, {"rate": 100}, bad, *pods).summary.clients
    (ejected,) = run({"outlierDetection": outliers}, {"rate": 100}, bad, *pods).summary.clients

    assert kept.statuses["503"] > 2000
    # Five in a row, and perhaps one that is under way.
    assert 5 <= ejected.statuses["503"] <= 8
