from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.config.load import load_texts
from simulator.istiod.generate import Translation, generate, to_json
from simulator.istiod.registry import Mesh
from tests.simulator.istiod.meshes import GOLDEN, SHOP, shop
from tests.support.golden import Golden

STAGES = sorted(path for path in GOLDEN.glob("*.yaml") if path.name != "bookinfo.yaml")


def proxy_of(text: str) -> str:
    """Return the proxy that a golden file asks about, in its first line."""
    return text.partition("\n")[0].removeprefix("# proxy: ")


def translated(path: Path) -> Translation:
    text = path.read_text(encoding="utf-8")
    mesh = shop(text)
    return generate(mesh, mesh.pod(proxy_of(text)))


@pytest.mark.parametrize("path", STAGES, ids=lambda path: path.stem)
def test_what_a_proxy_gets(path: Path, golden: Golden) -> None:
    translation = translated(path)
    got = {
        "resources": to_json(translation),
        "provenance": {str(ref): place for ref, place in sorted(translation.provenance.items())},
        "diagnostics": [str(each) for each in translation.diagnostics],
    }

    golden.check(path.with_suffix(".json"), json.dumps(got, indent=1, sort_keys=True) + "\n")


@pytest.mark.parametrize("path", STAGES, ids=lambda path: path.stem)
@given(seed=st.integers(0, 10_000))
@settings(deadline=None)
def test_the_order_of_documents_does_not_matter(path: Path, seed: int) -> None:
    text = path.read_text(encoding="utf-8")
    documents = [*SHOP.split("\n---\n"), *text.split("\n---\n")]
    shuffled = list(documents)
    random.Random(seed).shuffle(shuffled)

    def bytes_of(parts: list[str]) -> list[bytes]:
        mesh = Mesh.of(load_texts([("all.yaml", "\n---\n".join(parts))]))
        resources = generate(mesh, mesh.pod(proxy_of(text))).resources
        return [
            each.SerializeToString(deterministic=True)
            for kind in resources.by_kind().values()
            for each in kind
        ]

    assert bytes_of(shuffled) == bytes_of(documents)


def test_a_pod_without_a_proxy_gets_nothing() -> None:
    mesh = shop("""
apiVersion: v1
kind: Pod
metadata: {name: bare, labels: {sidecar.istio.io/inject: "false"}}
spec: {containers: [{name: main}]}
""")

    assert to_json(generate(mesh, mesh.pod("bare.default")), "routes") == {"routes": []}


def test_one_kind_can_be_asked_for() -> None:
    mesh = shop()

    assert list(to_json(generate(mesh, mesh.pod("details-v1.default")), "clusters")) == ["clusters"]


def test_an_unknown_kind_is_refused() -> None:
    mesh = shop()
    translation = generate(mesh, mesh.pod("details-v1.default"))

    with pytest.raises(KeyError):
        to_json(translation, "wishes")


def test_a_server_without_room_on_its_port_is_said() -> None:
    mesh = shop("""
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: secure}
spec:
  selector: {istio: ingressgateway}
  servers:
    - port: {number: 443, name: https, protocol: HTTPS}
      hosts: ["*"]
      tls: {mode: SIMPLE, credentialName: cert}
    - port: {number: 443, name: http, protocol: HTTP}
      hosts: ["*"]
""")
    (found,) = generate(mesh, mesh.pod("istio-ingressgateway.istio-system")).diagnostics

    assert found.code == "gateway-conflict"
    assert str(found.position) == "test0.yaml:11:7"
