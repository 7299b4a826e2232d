"""`meshdojo describe`, on a mesh with a mistake or two."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.labs.cli.conftest import Command
from tests.support.mesh import deployment, istio, service

ROUTE = {
    "hosts": ["a"],
    "http": [
        {
            "match": [{"headers": {"end-user": {"exact": "jason"}}, "uri": {"prefix": "/api"}}],
            "route": [{"destination": {"host": "a", "subset": "v2"}}],
        },
        {
            "route": [
                {"destination": {"host": "a", "subset": "v1"}, "weight": 90},
                {"destination": {"host": "a", "subset": "v9"}, "weight": 10},
            ]
        },
    ],
}
SUBSETS = {
    "host": "a",
    "trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}, "tls": {"mode": "ISTIO_MUTUAL"}},
    "subsets": [{"name": name, "labels": {"version": name}} for name in ("v1", "v2", "v3")],
}
GATEWAY = {
    "selector": {"istio": "ingressgateway"},
    "servers": [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}],
}
INGRESS = {
    "hosts": ["shop.example.com"],
    "gateways": ["front", "missing"],
    "http": [{"route": [{"destination": {"host": "a"}}]}],
}
ELSEWHERE = {"hosts": ["*"], "gateways": ["front"], "http": [{"directResponse": {"status": 503}}]}
STRICT = """
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict}
spec:
  selector: {matchLabels: {app: a}}
  mtls: {mode: STRICT}
  portLevelMtls: {9080: {mode: DISABLE}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: readers}
spec: {action: ALLOW, rules: [{to: [{operation: {methods: [GET]}}]}]}
"""


@pytest.fixture
def mesh(tmp_path: Path) -> Path:
    parts = [
        service("a"),
        deployment("a-v1", "a", version="v1"),
        deployment("a-v2", "a", version="v2"),
        deployment("alone", "alone", sidecar=False),
        istio("VirtualService", "a", ROUTE),
        istio("VirtualService", "a-outside", INGRESS),
        istio("VirtualService", "elsewhere", ELSEWHERE),
        istio("DestinationRule", "a", SUBSETS),
        istio("Gateway", "front", GATEWAY),
        STRICT,
    ]
    path = tmp_path / "mesh.yaml"
    path.write_text("\n---\n".join(parts))
    return path


POD = """\
Pod: a-v1-0.default
   Ports: 9080
   Labels: app=a, version=v1
   Proxy: a sidecar
Service: a.default
   Port: http 9080/HTTP leads to 9080
DestinationRule: a.default for a.default.svc.cluster.local
   Matching subsets: v1
   Other subsets: v2, v3
   WARNING: subset v3 selects no pod
   Traffic policy: load balancer, tls
   Clients' TLS: ISTIO_MUTUAL
VirtualService: a.default for a.default.svc.cluster.local
   Gateways: mesh
   path begins with /api and header end-user is jason: to a (v2)
   every request: to a (v1) 90 %, a (v9) 10 %
      WARNING: no DestinationRule has a subset v9
VirtualService: a-outside.default for shop.example.com
   Gateways: default/front, default/missing
   every request: to a
Exposed by Gateway default/front: HTTP 80
WARNING: a-outside.default names gateway default/missing, which is not there
Effective PeerAuthentication: strict.default
   Mode: STRICT
   Port 9080: DISABLE
Authorization policies in force:
   ALLOW: readers.default (rules: 1)
"""


def test_a_pod_is_described_with_all_that_concerns_it(meshdojo: Command, mesh: Path) -> None:
    found = meshdojo("describe", "pod", "a-v1-0", "-f", mesh)
    assert found.code == 0
    assert found.out == POD


def test_a_pod_without_a_sidecar_or_a_service_is_warned_of(meshdojo: Command, mesh: Path) -> None:
    found = meshdojo("describe", "pod", "deploy/alone.default", "-f", mesh).out
    assert "WARNING: it has no sidecar" in found
    assert "Suggestion: label it with version" in found
    assert "Service: none leads to this pod" in found


@pytest.mark.parametrize("name", ["a", "a.default", "a.default.svc.cluster.local"])
def test_a_service_is_described_by_any_of_its_names(
    meshdojo: Command, mesh: Path, name: str
) -> None:
    document = json.loads(meshdojo("describe", "service", name, "-f", mesh, "-o", "json").out)
    assert (document["schema"], document["kind"]) == ("describe.v1", "service")
    assert document["notes"][1]["below"][0] == {"text": "Subsets: v1, v2, v3", "below": []}


def test_an_unknown_service_is_a_mistake_of_usage(meshdojo: Command, mesh: Path) -> None:
    found = meshdojo("describe", "svc", "b", "-f", mesh)
    assert found.code == 2
    assert "a.default" in found.err
