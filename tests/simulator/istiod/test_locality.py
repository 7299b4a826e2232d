"""Which endpoints come first, for a proxy in region one, zone a."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.istiod.generate import generate, to_json
from tests.simulator.istiod.meshes import shop

HERE = "one.a.x"
PLACES = {
    "same-subzone": "one/a/x",
    "same-zone": "one/a/y",
    "same-region": "one/b/x",
    "second-region": "two/a/x",
    "third-region": "three/a/x",
}
FAILOVER = "loadBalancer: {localityLbSetting: {failover: [{from: one, to: two}]}}"
OUTLIERS = "outlierDetection: {consecutive5xxErrors: 3}"
CLUSTER = "outbound|80||far.example.com"


def endpoints() -> str:
    return "\n".join(
        f"    - {{address: 192.0.2.{at}, locality: {place}, labels: {{version: v{at % 2}}}}}"
        for at, place in enumerate(PLACES.values(), start=1)
    )


def translated(policy: str = "", annotations: str = "{}", mesh: str = "{}") -> dict[str, Any]:
    rule = f"""
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: far}}
spec:
  host: far.example.com
  trafficPolicy:
    {policy}
"""
    made = shop(
        f"""
apiVersion: v1
kind: Pod
metadata: {{name: near, labels: {{istio-locality: {HERE}, version: v1}}}}
spec: {{containers: [{{name: main}}]}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: istio, namespace: istio-system}}
data: {{mesh: "{{localityLbSetting: {mesh}}}"}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: far, annotations: {annotations}}}
spec:
  hosts: [far.example.com]
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  resolution: STATIC
  endpoints:
{endpoints()}
{rule if policy else ""}"""
    )
    return to_json(generate(made, made.pod("near.default")))


def ranks(found: dict[str, Any]) -> dict[str, int]:
    """Return the priority of each place."""
    (assignment,) = (one for one in found["endpoints"] if one["cluster_name"] == CLUSTER)
    names = list(PLACES)
    return {
        names[int(each["endpoint"]["address"]["socket_address"]["address"].rpartition(".")[2]) - 1]:
        group.get("priority", 0)
        for group in assignment["endpoints"]
        for each in group["lb_endpoints"]
    }  # fmt: skip


def ranked(*order: int) -> dict[str, int]:
    return dict(zip(PLACES, order, strict=True))


CASES = [
    pytest.param("", ranked(0, 0, 0, 0, 0), id="no-rule-ranks-nothing"),
    pytest.param(OUTLIERS, ranked(0, 1, 2, 3, 3), id="outlier-detection-ranks-by-distance"),
    pytest.param(
        f"{{{OUTLIERS}, {FAILOVER}}}",
        ranked(0, 1, 2, 3, 4),
        id="a-failover-rule-puts-its-region-before-others",
    ),
    pytest.param(
        f"{{{OUTLIERS}, loadBalancer: {{localityLbSetting: {{enabled: false}}}}}}",
        ranked(0, 0, 0, 0, 0),
        id="a-rule-switches-it-off",
    ),
    pytest.param(
        f"{{{OUTLIERS}, loadBalancer: {{localityLbSetting: {{failoverPriority: [version]}}}}}}",
        ranked(0, 1, 0, 1, 0),
        id="labels-rank-where-a-rule-names-them",
    ),
    pytest.param(
        "loadBalancer: {localityLbSetting: {failoverPriority: [version]}}",
        ranked(0, 0, 0, 0, 0),
        id="labels-rank-nothing-without-outlier-detection",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("policy", "expected"), CASES)
def test_priorities(policy: str, expected: dict[str, int]) -> None:
    text = policy if policy.startswith("{") or not policy else f"{{{policy}}}"

    assert ranks(translated(text)) == expected


def test_the_mesh_may_switch_it_off() -> None:
    assert ranks(translated(f"{{{OUTLIERS}}}", mesh="{enabled: false}")) == ranked(0, 0, 0, 0, 0)


def test_a_services_own_wish_needs_no_outlier_detection() -> None:
    found = translated(annotations="{networking.istio.io/traffic-distribution: PreferClose}")

    assert ranks(found) == ranked(0, 0, 1, 2, 2)


def test_shares_leave_out_whom_they_do_not_name() -> None:
    policy = """{loadBalancer: {localityLbSetting: {distribute: [
      {from: one/*, to: {"one/a/*": 80, "two/*": 20}}]}}}"""
    found = translated(policy)
    (assignment,) = (one for one in found["endpoints"] if one["cluster_name"] == CLUSTER)
    (cluster,) = (one for one in found["clusters"] if one["name"] == CLUSTER)

    weights = {
        "/".join(one["locality"].values()): one["load_balancing_weight"]
        for one in assignment["endpoints"]
    }
    assert weights == {"one/a/x": 40, "one/a/y": 40, "two/a/x": 20}
    assert cluster["common_lb_config"]["locality_weighted_lb_config"] == {}
