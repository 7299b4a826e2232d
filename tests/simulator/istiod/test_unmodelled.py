"""What is accepted and not simulated is named, with its place."""

from __future__ import annotations

import pytest

from tests.simulator.istiod.meshes import shop

RULE = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: ratings}}
spec:
  host: ratings
  trafficPolicy: {policy}
"""
CASES = [
    pytest.param(
        RULE.format(policy="{tunnel: {targetHost: a.example.com, targetPort: 443}}"),
        ("spec.trafficPolicy.tunnel", 7),
        id="a-tunnel",
    ),
    pytest.param(
        RULE.format(policy="{proxyProtocol: {version: V2}}"),
        ("spec.trafficPolicy.proxyProtocol", 7),
        id="the-proxy-protocol",
    ),
    pytest.param(
        """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: any}
spec:
  hosts: ["*.example.com"]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: DYNAMIC_DNS
""",
        ("spec.resolution", 8),
        id="names-looked-up-by-request",
    ),
    pytest.param(
        """
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: spans}
spec: {tracing: [{randomSamplingPercentage: 10.0}]}
""",
        ("spec.tracing", 5),
        id="tracing",
    ),
    pytest.param(
        """
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {name: plugin}
spec: {url: "oci://example.com/plugin:1"}
""",
        ("kind", 3),
        id="a-wasm-plugin",
    ),
    pytest.param(
        """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: sessions}
spec:
  rules:
  - sessionPersistence: {type: Header, header: {name: s}}
""",
        ("spec.rules[0].sessionPersistence", 7),
        id="sessions-of-a-route",
    ),
    pytest.param(
        """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: asked}
spec:
  rules:
  - filters:
    - type: ExternalAuth
      externalAuth: {protocol: HTTP, backendRef: {name: ratings, port: 9080}, http: {}}
""",
        ("spec.rules[0].filters[0].externalAuth", 9),
        id="an-authorizer-of-a-route",
    ),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_it_is_said(text: str, expected: tuple[str, int]) -> None:
    (found,) = shop(text).diagnostics

    assert found.code == "not-simulated"
    assert found.position is not None
    assert (found.field, found.position.line) == expected


def test_what_is_simulated_is_not_named() -> None:
    assert (
        shop(RULE.format(policy="{connectionPool: {tcp: {maxConnections: 1}}}")).diagnostics == ()
    )
