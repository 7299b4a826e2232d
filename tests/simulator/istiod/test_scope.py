from __future__ import annotations

import pytest

from simulator.istiod.scope import Scope, scope
from tests.simulator.istiod.meshes import shop

REVIEWS = "reviews.default.svc.cluster.local"


def view(text: str, proxy: str = "productpage-v1.default") -> Scope:
    mesh = shop(text)
    return scope(mesh, mesh.pod(proxy))


def rule(name: str, namespace: str, host: str, extra: str = "") -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  host: {host}
  {extra}
---"""


HERE = rule("here", "default", "reviews")
WIDE_HERE = rule("wide", "default", '"*.local"')
ROOT = rule("root", "istio-system", '"*.local"')
HIDDEN_ROOT = rule("hidden", "istio-system", REVIEWS, 'exportTo: ["."]')
ELSEWHERE = rule("elsewhere", "other", REVIEWS)


@pytest.mark.parametrize(
    ("rules", "proxy", "want"),
    [
        pytest.param(HERE + ROOT, "productpage-v1.default", "here", id="own-before-root"),
        pytest.param(ROOT, "productpage-v1.default", "root", id="root-at-last"),
        pytest.param(HIDDEN_ROOT, "productpage-v1.default", None, id="not-exported"),
        pytest.param(ELSEWHERE, "productpage-v1.default", None, id="a-third-namespace"),
        pytest.param(HERE + WIDE_HERE, "productpage-v1.default", "here", id="exact-host-first"),
        pytest.param(
            HERE + ROOT, "istio-ingressgateway.istio-system", "here", id="root-proxy-asks-service"
        ),
        pytest.param(
            HERE + HIDDEN_ROOT,
            "istio-ingressgateway.istio-system",
            "hidden",
            id="root-proxy-takes-its-private-rule",
        ),
    ],
)
def test_which_destination_rule_wins(rules: str, proxy: str, want: str | None) -> None:
    found = view(rules, proxy).destination_rule(REVIEWS)

    assert (found.source.name if found is not None else None) == want


def test_a_wide_rule_of_the_client_hides_the_services_own() -> None:
    text = (
        rule("wide", "client", '"*.local"')
        + HERE
        + """
apiVersion: v1
kind: Pod
metadata: {name: one, namespace: client, labels: {sidecar.istio.io/inject: "true"}}
spec: {containers: [{name: main}]}
"""
    )
    found = view(text, "one.client").destination_rule(REVIEWS)

    assert found is not None
    assert found.source.name == "wide"


def test_rules_for_one_host_are_merged_oldest_first() -> None:
    def subset(name: str, label: str) -> str:
        return f"{{name: {name}, labels: {{version: {label}}}}}"

    text = rule("b", "default", "reviews", f"subsets: [{subset('v1', 'late')}]") + rule(
        "a", "default", REVIEWS, f"subsets: [{subset('v1', 'early')}, {subset('v2', 'v2')}]"
    )
    found = view(text).destination_rule(REVIEWS)

    assert found is not None
    assert [(each.subset.name, each.subset.labels) for each in found.subsets] == [
        ("v1", {"version": "early"}),
        ("v2", {"version": "v2"}),
    ]


def test_a_rule_with_a_selector_is_for_its_workloads() -> None:
    text = HERE + rule(
        "chosen", "default", "reviews", "workloadSelector: {matchLabels: {app: productpage}}"
    )
    chosen = view(text).destination_rule(REVIEWS)
    other = view(text, "details-v1.default").destination_rule(REVIEWS)

    assert chosen is not None
    assert other is not None
    assert (chosen.source.name, other.source.name) == ("chosen", "here")


def test_a_host_out_of_sight_has_no_rule() -> None:
    assert view(HERE).destination_rule("nowhere.example.com") is None


SIDECAR = """
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: narrow}
spec:
  workloadSelector: {labels: {app: productpage}}
  egress: [{hosts: ["./details.default.svc.cluster.local"]}]
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: wide}
spec:
  egress: [{hosts: ["istio-system/*", "./*"]}]
"""


@pytest.mark.parametrize(
    ("proxy", "want"),
    [
        pytest.param("productpage-v1.default", 1, id="by-selector"),
        pytest.param("details-v1.default", 6, id="by-namespace"),
        pytest.param("istio-ingressgateway.istio-system", 6, id="gateways-ignore-it"),
    ],
)
def test_a_sidecar_resource_narrows_the_view(proxy: str, want: int) -> None:
    assert len(view(SIDECAR, proxy).services) == want


def test_a_service_that_is_not_exported_is_not_seen() -> None:
    text = """
apiVersion: v1
kind: Service
metadata:
  {name: hidden, namespace: other, annotations: {networking.istio.io/exportTo: "."}}
spec: {ports: [{name: http, port: 80}]}
"""

    assert "hidden.other.svc.cluster.local" not in view(text).services
