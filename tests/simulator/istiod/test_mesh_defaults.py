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
