"""The real Envoy takes what we write."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.ca import Authority, secrets
from simulator.config.load import load
from simulator.envoy_api import format as as_json
from simulator.envoy_api import message, pack, unpack
from simulator.envoy_api.extract import locate_binary
from simulator.istiod.generate import generate
from simulator.istiod.registry import Mesh
from tests.conformance.run import DEFAULT
from tests.simulator.istiod.meshes import GOLDEN, shop

STAGES = sorted(GOLDEN.glob("*.yaml"))
SAMPLES = DEFAULT / "istio" / "samples"
HCM = "envoy.filters.network.http_connection_manager"


def bootstrap(mesh: Mesh, proxy: str) -> dict[str, Any]:
    """Return the proxy's resources as one static configuration, discovery resolved."""
    resources = generate(mesh, mesh.pod(proxy)).resources
    endpoints = {each.cluster_name: each for each in resources.endpoints}
    routes = {each.name: each for each in resources.routes}
    whole = message("envoy.config.bootstrap.v3.Bootstrap")()
    whole.node.id, whole.node.cluster = proxy, "shop"  # secrets are asked for in its name
    for cluster in resources.clusters:
        static = whole.static_resources.clusters.add()
        static.CopyFrom(cluster)
        for socket in (static.transport_socket, *matched(static)):
            static_secrets(socket)
        if cluster.HasField("eds_cluster_config"):
            static.ClearField("eds_cluster_config")
            static.type = 0
            static.load_assignment.CopyFrom(endpoints[cluster.name])
    for listener in resources.listeners:
        static = whole.static_resources.listeners.add()
        static.CopyFrom(listener)
        for chain in (*static.filter_chains, static.default_filter_chain):
            static_secrets(chain.transport_socket)
            for each in chain.filters:
                if each.name == HCM:
                    inline_routes(each, routes)
    static = whole.static_resources
    named = replace(
        resources, listeners=tuple(static.listeners), clusters=tuple(static.clusters), secrets=()
    )
    static.secrets.extend(secrets(named, "spiffe://test/a", Authority("test")))
    return as_json(whole)


def inline_routes(network_filter: Any, routes: dict[str, Any]) -> None:
    manager = unpack(network_filter.typed_config)
    if manager.HasField("rds"):
        manager.route_config.CopyFrom(routes[manager.rds.route_config_name])
        network_filter.typed_config.CopyFrom(pack(manager))


def matched(cluster: Any) -> list[Any]:
    return [each.transport_socket for each in cluster.transport_socket_matches]


def static_secrets(socket: Any) -> None:
    """Let secrets be found in the configuration itself; what manifests hold is made up."""
    if not socket.name.endswith("tls"):
        return
    context = unpack(socket.typed_config)
    common = context.common_tls_context
    combined = common.combined_validation_context
    roots = (
        [combined.validation_context_sds_secret_config]
        if combined.HasField("validation_context_sds_secret_config")
        else []
    )
    for each in (*common.tls_certificate_sds_secret_configs, *roots):
        each.ClearField("sds_config")
        each.name = each.name.replace("://", ":")
    socket.typed_config.CopyFrom(pack(context))


def refusal(mesh: Mesh, proxy: str, config: Path) -> str:
    """Return what Envoy has against a proxy's configuration; empty for nothing."""
    config.write_text(json.dumps(bootstrap(mesh, proxy)), encoding="utf-8")
    command = [str(locate_binary()), "--mode", "validate", "-l", "error", "-c", str(config)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return ran.stderr if ran.returncode else ""


@pytest.mark.envoy
@pytest.mark.parametrize(
    "proxy", ["productpage-v1.default", "ratings-v1.default", "istio-ingressgateway.istio-system"]
)
@pytest.mark.parametrize("path", STAGES, ids=lambda path: path.stem)
def test_envoy_accepts_every_resource(path: Path, proxy: str, tmp_path: Path) -> None:
    extra = [] if path.stem == "bookinfo" else [path.read_text(encoding="utf-8")]
    mesh = shop(*extra)

    assert refusal(mesh, proxy, tmp_path / "envoy.json") == ""


LOGS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    accessLogEncoding: JSON
    extensionProviders:
    - name: short
      envoyFileAccessLog: {logFormat: {text: "%REQ_WITHOUT_QUERY(:path)%"}, omitEmptyValues: true}
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: logs, namespace: istio-system}
spec:
  accessLogging:
  - providers: [{name: envoy}, {name: short}]
    filter: {expression: "response.code >= 400"}
"""


@pytest.mark.envoy
@pytest.mark.parametrize(
    "proxy", ["reviews-v1.default", "istio-ingressgateway-0.istio-system"], ids=["sidecar", "gate"]
)
def test_envoy_accepts_access_logs(proxy: str, tmp_path: Path) -> None:
    assert refusal(shop(LOGS), proxy, tmp_path / "envoy.json") == ""


@pytest.mark.envoy
@pytest.mark.skipif(not SAMPLES.is_dir(), reason="Istio's samples are not beside the project")
def test_envoy_accepts_istios_samples(tmp_path: Path) -> None:
    refused = {}
    for path in sorted(SAMPLES.rglob("*.yaml")):
        mesh = Mesh.of(load([str(path)]))
        for workload in sorted({pod.deployment for pod in mesh.pods if pod.proxied}):
            proxy = mesh.pods_of(workload)[0].ref
            if said := refusal(mesh, proxy, tmp_path / "envoy.json"):
                refused[f"{path.relative_to(SAMPLES)} {proxy}"] = said

    assert refused == {}
