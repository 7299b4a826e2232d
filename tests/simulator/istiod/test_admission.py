"""What lets requests in is led back to the policy, and the rule of it, that asks for it."""

from __future__ import annotations

import pytest

from simulator.istiod.generate import generate
from tests.simulator.istiod.meshes import shop

POLICIES = """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: readers}
spec:
  rules:
  - to: [{operation: {methods: [GET]}}]
  - from: [{source: {namespaces: [default]}}]
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens}
spec:
  jwtRules:
  - {issuer: b, jwks: '{"keys": []}'}
  - {issuer: a, jwks: '{"keys": []}'}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: everywhere, namespace: istio-system}
spec:
  action: DENY
  rules:
  - from: [{source: {notNamespaces: [default]}}]
"""
READERS = "ns[default]-policy[readers]-rule[1]"
EVERYWHERE = "ns[istio-system]-policy[everywhere]-rule[0]"


@pytest.mark.parametrize(
    ("proxy", "listener", "inside", "part", "line"),
    [
        pytest.param(
            "reviews-v1.default", "virtualInbound", ".typed_config.http_filters[2]",
            f".rules.policies[{READERS}]", 8, id="a-rule-of-a-sidecar",
        ),
        pytest.param(
            "reviews-v1.default", "virtualInbound", "",
            f".rules.policies[{EVERYWHERE}]", 24, id="a-rule-for-connections",
        ),
        pytest.param(
            "reviews-v1.default", "virtualInbound", ".typed_config.http_filters[0]",
            ".providers[origins-0]", 16, id="the-issuer-that-sorts-first",
        ),
        pytest.param(
            "istio-ingressgateway.istio-system", "0.0.0.0_8080", ".typed_config.http_filters[0]",
            f".rules.policies[{EVERYWHERE}]", 24, id="a-rule-of-a-gateway",
        ),
    ],
)  # fmt: skip
def test_a_part_of_a_filter_has_its_place(
    proxy: str, listener: str, inside: str, part: str, line: int
) -> None:
    gateway = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ["*"]}]
"""
    mesh = shop(POLICIES, gateway)
    places = {
        place.rpartition("/")[2].split(":")[-2]
        for field, place in generate(mesh, mesh.pod(proxy)).provenance.items()
        if field.resource == listener and field.path.endswith(f"{inside}.typed_config{part}")
    }
    assert places == {str(line)}
