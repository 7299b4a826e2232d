"""Proxies that are alike share their configuration, and nobody gets another's."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.config.load import load_texts
from simulator.istiod.generate import Translation, generate
from simulator.istiod.registry import Mesh
from tests.simulator.istiod.meshes import GOLDEN, SHOP, shop

STAGES = sorted(GOLDEN.glob("*.yaml"))
CLIENTS = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: twins}
spec:
  replicas: 2
  selector: {matchLabels: {app: twins}}
  template:
    metadata: {labels: {app: twins}}
    spec: {containers: [{name: main}]}
---
apiVersion: v1
kind: Pod
metadata: {name: tester, labels: {app: tester, group: test}}
spec: {containers: [{name: main}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ratings}
spec:
  hosts: [ratings]
  http:
    - match: [{sourceLabels: {group: test}}]
      directResponse: {status: 418}
    - route: [{destination: {host: ratings}}]
"""
SLICE = """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: given, labels: {kubernetes.io/service-name: given}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [192.0.2.1]}]
---
apiVersion: v1
kind: Service
metadata: {name: given}
spec: {ports: [{name: http, port: 80}]}
"""


def contents(translation: Translation) -> dict[str, list[bytes]]:
    return {
        kind: [each.SerializeToString(deterministic=True) for each in found]
        for kind, found in translation.resources.by_kind().items()
    }


def test_replicas_share_messages_by_identity() -> None:
    mesh = shop(CLIENTS)
    first = generate(mesh, mesh.pod("twins-0.default")).resources
    second = generate(mesh, mesh.pod("twins-1.default")).resources

    own = {"virtualInbound", "InboundPassthroughCluster"}
    for kind, found in first.by_kind().items():
        for mine, other in zip(found, second.by_kind()[kind], strict=True):
            assert mine is other or mine.name in own


def test_a_label_that_a_rule_asks_for_sets_a_proxy_apart() -> None:
    mesh = shop(CLIENTS)
    plain = generate(mesh, mesh.pod("twins-0.default"))
    tester = generate(mesh, mesh.pod("tester.default"))

    assert contents(plain)["routes"] != contents(tester)["routes"]


@pytest.mark.parametrize("path", STAGES, ids=lambda path: path.stem)
def test_nobody_gets_what_is_anothers(path: Path) -> None:
    texts = [
        ("shop.yaml", SHOP),
        ("test.yaml", path.read_text(encoding="utf-8")),
        ("c.yaml", CLIENTS),
    ]
    manifests = load_texts(texts)
    together = Mesh.of(manifests)

    for pod in together.pods:
        after_others = contents(generate(together, pod))
        alone = Mesh.of(manifests)
        assert after_others == contents(generate(alone, alone.pod(pod.ref)))


def test_a_new_address_touches_endpoints_alone() -> None:
    before, after = (
        contents(generate(mesh, mesh.pod("ratings-v1.default")))
        for mesh in (shop(SLICE), shop(SLICE.replace("192.0.2.1", "192.0.2.2")))
    )

    assert [kind for kind in before if before[kind] != after[kind]] == ["endpoints"]
