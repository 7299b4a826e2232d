"""A gateway whose certificate is not there, and one that calls without its authorities."""

from __future__ import annotations

import base64

import pytest

from sandbox.ca import Authority
from simulator.config.scenario import Request
from simulator.observe.observation import Observation
from simulator.scenario import Scenario
from tests.support.mesh import deployment, istio, scenario, service

GATEWAY = """
apiVersion: v1
kind: Service
metadata: {name: istio-ingressgateway, namespace: default, labels: {istio: ingressgateway}}
spec:
  selector: {istio: ingressgateway}
  ports: [{name: https, port: 443, targetPort: 8443}, {name: http, port: 80, targetPort: 8080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: istio-ingressgateway, namespace: default}
spec:
  selector: {matchLabels: {istio: ingressgateway}}
  template:
    metadata:
      labels: {istio: ingressgateway, sidecar.istio.io/inject: "true"}
      annotations: {inject.istio.io/templates: gateway}
    spec: {containers: [{name: istio-proxy, image: auto, ports: [{containerPort: 8443}]}]}
"""
SERVERS = {
    "selector": {"istio": "ingressgateway"},
    "servers": [
        {
            "port": {"number": 443, "name": "https", "protocol": "HTTPS"},
            "hosts": ["shop.example"],
            "tls": {"mode": "SIMPLE", "credentialName": "shop-cert"},
        },
        {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["shop.example"]},
    ],
}
ROUTE = {
    "hosts": ["shop.example"],
    "gateways": ["shop"],
    "http": [{"route": [{"destination": {"host": "a"}}]}],
}
ORIGINATED = {
    "host": "a",
    "trafficPolicy": {"tls": {"mode": "SIMPLE", "credentialName": "a-ca", "sni": "a"}},
}


def secret(name: str, **values: str) -> str:
    held = "".join(
        f"\n  {key.replace('_', '.')}: {base64.b64encode(text.encode()).decode()}"
        for key, text in values.items()
    )
    return f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\ndata:{held}\n"


def mesh(*more: str) -> Scenario:
    return scenario(
        GATEWAY,
        istio("Gateway", "shop", SERVERS),
        istio("VirtualService", "shop", ROUTE),
        service("a", port_name="https"),
        deployment("a", "a", sidecar=False),
        *more,
        workloads={"a": {"ports": {9080: "https"}}},
    )


def send(world: Scenario, url: str) -> Observation:
    (seen,) = world.probe([Request(url=url, via="istio-ingressgateway.default")])
    return seen


@pytest.fixture(scope="module")
def pair() -> dict[str, str]:
    issued = Authority("test").issue("spiffe://test/shop")
    return {"tls_crt": issued.certificate, "tls_key": issued.key}


def test_without_its_secret_a_server_closes_every_handshake() -> None:
    seen = send(mesh(), "https://shop.example/")

    assert (seen.status, seen.hops) == (None, ())
    assert seen.error is not None
    assert "Connection reset by peer" in seen.error


def test_other_servers_of_the_gateway_serve_all_the_same() -> None:
    assert send(mesh(), "http://shop.example/").status is not None


def test_with_its_secret_the_server_is_there(pair: dict[str, str]) -> None:
    assert send(mesh(secret("shop-cert", **pair)), "https://shop.example/").status is not None


def test_a_secret_without_a_key_is_no_certificate(pair: dict[str, str]) -> None:
    seen = send(mesh(secret("shop-cert", tls_crt=pair["tls_crt"])), "https://shop.example/")

    assert seen.status is None


def test_without_its_authorities_a_gateway_calls_nobody(pair: dict[str, str]) -> None:
    rule = istio("DestinationRule", "a", ORIGINATED)
    refused = send(mesh(rule), "http://shop.example/")
    served = send(mesh(rule, secret("a-ca", ca_crt=pair["tls_crt"])), "http://shop.example/")

    assert (refused.status, refused.response_flags) == (503, ("URX", "UF"))
    assert refused.details is not None
    assert "Secret_is_not_supplied_by_SDS" in refused.details
    assert served.status == 200
