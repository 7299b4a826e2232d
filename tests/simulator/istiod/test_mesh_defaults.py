"""What the mesh's configuration says where rules say nothing."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.istiod.generate import generate, to_json
from tests.simulator.istiod.meshes import shop

RATINGS = "outbound|9080||ratings."
OWN_RETRIES = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ratings}
spec:
  hosts: [ratings]
  http:
    - retries: {attempts: 4}
      route: [{destination: {host: ratings}}]
"""
BUDGET = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ratings}
spec:
  host: ratings
  trafficPolicy:
    retryBudget: {percent: 40}
    portLevelSettings:
      - port: {number: 9080}
        connectionPool: {tcp: {maxConnections: 7}}
"""


def config(mesh: str) -> str:
    return f"""
apiVersion: v1
kind: ConfigMap
metadata: {{name: istio, namespace: istio-system}}
data: {{mesh: "{mesh}"}}
"""


def translated(*texts: str) -> dict[str, Any]:
    mesh = shop(*texts)
    return to_json(generate(mesh, mesh.pod("productpage-v1.default")))


def retries(found: dict[str, Any]) -> dict[str, Any] | None:
    (table,) = (each for each in found["routes"] if each["name"] == "9080")
    (host,) = (each for each in table["virtual_hosts"] if each["name"].startswith("ratings."))
    policy: dict[str, Any] | None = host["routes"][0]["route"].get("retry_policy")
    return policy


@pytest.mark.parametrize(
    ("texts", "attempts"),
    [
        pytest.param((), 2, id="istiod-tries-twice-more"),
        pytest.param((config("defaultHttpRetryPolicy: {attempts: 1}"),), 1, id="the-mesh-decides"),
        pytest.param(
            (config("defaultHttpRetryPolicy: {attempts: 1}"), OWN_RETRIES), 4, id="a-route-decides"
        ),
    ],
)
def test_retries(texts: tuple[str, ...], attempts: int) -> None:
    policy = retries(translated(*texts))

    assert policy is not None
    assert policy["num_retries"] == attempts


def test_the_mesh_may_switch_retries_off() -> None:
    assert retries(translated(config("defaultHttpRetryPolicy: {attempts: 0}"))) is None


def test_a_retry_budget_holds_for_all_ports() -> None:
    (cluster,) = (
        each for each in translated(BUDGET)["clusters"] if each["name"].startswith(RATINGS)
    )
    (limits,) = cluster["circuit_breakers"]["thresholds"]

    assert limits["retry_budget"] == {
        "budget_percent": {"value": 40.0},
        "min_retry_concurrency": 3,
    }
    assert limits["max_connections"] == 7


@pytest.mark.parametrize(
    ("text", "field"),
    [
        pytest.param("enableTracing: true", "enableTracing", id="spans"),
        pytest.param(
            "defaultTrafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}",
            "defaultTrafficPolicy",
            id="policies-of-destinations",
        ),
    ],
)
def test_what_has_no_effect_is_named(text: str, field: str) -> None:
    (found,) = shop(config(text)).diagnostics
    assert (found.code, found.resource, found.field) == ("not-simulated", "MeshConfig", field)


def ratings(found: dict[str, Any]) -> dict[str, Any]:
    clusters: list[dict[str, Any]] = found["clusters"]
    (cluster,) = (each for each in clusters if each["name"].startswith(RATINGS))
    return cluster


KEEPALIVE = "tcpKeepalive: {time: 60s, probes: 3}"
OWN_PROBES = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ratings}
spec:
  host: ratings
  trafficPolicy:
    connectionPool: {tcp: {tcpKeepalive: {probes: 9}}, http: {h2UpgradePolicy: DO_NOT_UPGRADE}}
"""


def test_connections_take_the_meshs_time() -> None:
    assert ratings(translated())["connect_timeout"] == "10s"
    assert ratings(translated(config("connectTimeout: 3s")))["connect_timeout"] == "3s"


@pytest.mark.parametrize(
    ("texts", "probes"),
    [
        pytest.param((config(KEEPALIVE),), 3, id="the-mesh-decides"),
        pytest.param((config(KEEPALIVE), OWN_PROBES), 9, id="a-rule-decides-field-by-field"),
    ],
)
def test_idle_connections_are_kept(texts: tuple[str, ...], probes: int) -> None:
    options = ratings(translated(*texts))["upstream_connection_options"]
    assert options == {"tcp_keepalive": {"keepalive_probes": probes, "keepalive_time": 60}}


@pytest.mark.parametrize(
    ("texts", "upgraded"),
    [
        pytest.param((), False, id="by-default-not"),
        pytest.param((config("h2UpgradePolicy: UPGRADE"),), True, id="the-mesh-decides"),
        pytest.param((config("h2UpgradePolicy: UPGRADE"), OWN_PROBES), False, id="a-rule-objects"),
    ],
)
def test_http_is_upgraded(texts: tuple[str, ...], *, upgraded: bool) -> None:
    options = ratings(translated(*texts)).get("typed_extension_protocol_options", {})
    assert any("http2_protocol_options" in str(each) for each in options.values()) == upgraded


NAMED = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: far}
spec:
  hosts: [far.example.com]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: DNS
"""


def test_names_are_looked_up_as_often_as_the_mesh_says() -> None:
    found = translated(NAMED, config("dnsRefreshRate: 5s"))["clusters"]
    (cluster,) = (each for each in found if each["name"].endswith("far.example.com"))
    assert cluster["dns_refresh_rate"] == "5s"


@pytest.mark.parametrize(
    ("text", "attempts"),
    [
        pytest.param("{}", 2, id="istiod-tries-twice-more"),
        pytest.param("defaultInboundHttpRetryPolicy: {attempts: 5}", 5, id="the-mesh-decides"),
        pytest.param("defaultInboundHttpRetryPolicy: {attempts: 0}", None, id="none-at-all"),
    ],
)
def test_what_a_workload_did_not_see_is_sent_again(text: str, attempts: int | None) -> None:
    (inbound,) = (
        each for each in translated(config(text))["listeners"] if each["name"] == "virtualInbound"
    )
    chain = next(each for each in inbound["filter_chains"] if each["name"] == "0.0.0.0_9080")
    table = chain["filters"][-1]["typed_config"]["route_config"]
    policy = table["virtual_hosts"][0]["routes"][0]["route"].get("retry_policy")
    assert (policy["num_retries"] if policy else None) == attempts
