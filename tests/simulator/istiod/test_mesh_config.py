"""The configuration of the whole mesh: where it is found, and what is wrong with it."""

from __future__ import annotations

from simulator.istiod.generate import generate
from tests.simulator.istiod.meshes import shop

CONFIG_MAP = """
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    outboundTrafficPolicy: {mode: REGISTRY_ONLY}
    trustDomain: example.org
"""
OPERATOR = """
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: mesh, namespace: istio-system}
spec:
  profile: minimal
  meshConfig: {trustDomain: example.com}
"""


def test_istiods_own_config_map_is_read() -> None:
    config = shop(CONFIG_MAP).config

    assert (config.outbound_traffic_policy.mode, config.trust_domain) == (
        "REGISTRY_ONLY",
        "example.org",
    )


def test_an_installation_is_read() -> None:
    assert shop(OPERATOR).config.trust_domain == "example.com"


def test_the_config_map_wins_over_the_installation() -> None:
    assert shop(OPERATOR, CONFIG_MAP).config.trust_domain == "example.org"


def test_without_either_the_defaults_hold() -> None:
    config = shop().config

    assert (config.outbound_traffic_policy.mode, config.trust_domain) == (
        "ALLOW_ANY",
        "cluster.local",
    )


def test_a_mistake_inside_the_config_map_is_said() -> None:
    mesh = shop(CONFIG_MAP.replace("trustDomain", "trustDomian"))
    (found,) = generate(mesh, mesh.pod("ratings-v1.default")).diagnostics

    assert (found.code, found.field) == ("unknown-field", "trustDomian")
