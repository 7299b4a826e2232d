"""Requests of every kind of HTTP, with TLS and without, compared with the simulator's."""

from __future__ import annotations

import datetime as dt
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.box import Sandbox
from sandbox.ca import Authority
from sandbox.drivers.choice import named
from sandbox.fidelity.replay import replay_all
from simulator.config.scenario import Request
from simulator.scenario import Scenario
from tests.sandbox.meshes import ROUTING, bookshop
from tests.support.required import need

pytestmark = [pytest.mark.envoy, pytest.mark.xdist_group("protocols")]
_ISSUED = Authority("clients").issue("spiffe://clients/a")
assert _ISSUED.not_after > dt.datetime.now(dt.UTC)

SECURED = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: secured}}
spec:
  selector: {{istio: ingressgateway}}
  servers:
  - port: {{number: 443, name: https, protocol: HTTPS}}
    hosts: [safe.example.com]
    tls: {{mode: SIMPLE, credentialName: safe}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: secured}}
spec:
  hosts: [safe.example.com]
  gateways: [secured]
  http:
  - name: secured
    route: [{{destination: {{host: details, port: {{number: 9080}}}}}}]
---
apiVersion: v1
kind: Secret
metadata: {{name: safe, namespace: istio-system}}
type: kubernetes.io/tls
stringData:
  tls.crt: |
{certificate}
  tls.key: |
{key}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: ratings}}
spec:
  host: ratings
  trafficPolicy: {{connectionPool: {{http: {{h2UpgradePolicy: UPGRADE}}}}}}
---
""".format(
    certificate=textwrap.indent(_ISSUED.certificate, "    "),
    key=textwrap.indent(_ISSUED.key, "    "),
)


@pytest.fixture(scope="module")
def shop() -> Scenario:
    return bookshop(ROUTING + SECURED)


@pytest.fixture(scope="module", params=["process", "netns", "docker"])
def box(request: pytest.FixtureRequest, shop: Scenario) -> Iterator[Sandbox]:
    need(request.param, named(request.param).lacking())
    with Sandbox.start(shop, driver=named(request.param)) as started:
        yield started


def request(url: str, client: str = "productpage-v1.default", **more: Any) -> Request:
    return Request.model_validate({"from": client, "url": url, **more})


SENT = [
    pytest.param(request("http://details:9080/", protocol="http2"), 200, id="http2"),
    pytest.param(
        request("http://details:9080/", protocol="http2", method="POST", body="x" * 99),
        200,
        id="http2-with-a-body",
    ),
    pytest.param(request("http://ratings:9080/"), 200, id="upgraded-on-its-way"),
    pytest.param(request("http://details:9080/a.B/C", protocol="grpc"), 200, id="grpc"),
    pytest.param(request("https://safe.example.com/", "outside"), 200, id="https"),
    pytest.param(
        request("https://safe.example.com/", "outside", protocol="http2"), 200, id="http2-in-tls"
    ),
    pytest.param(
        request("https://safe.example.com/", "outside", tls={"sni": "other.example.com"}),
        None,
        id="a-name-that-nobody-serves",
    ),
]


@pytest.mark.parametrize(("wanted", "status"), SENT)
def test_a_request_is_answered_as_in_the_simulator(
    box: Sandbox, shop: Scenario, wanted: Request, status: int | None
) -> None:
    seen = box.probe([wanted])
    found = replay_all(shop, [wanted], seen)

    assert seen[0].status == status
    assert found.differences == ()
