"""The proxy of one of Istio's simulation cases, beside the mesh that it sees."""

from __future__ import annotations

import json
from typing import Any

from simulator.config.load import load_texts
from simulator.istiod.registry import Mesh, Pod


def mesh_and_pod(
    config: str, proxy: dict[str, Any], mesh_config: dict[str, Any] | None = None
) -> tuple[Mesh, Pod]:
    """Return the mesh of a case's manifests, and the proxy that it asks about."""
    installed = json.dumps(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "istio", "namespace": "istio-system"},
            "data": {"mesh": json.dumps(mesh_config or {})},
        }
    )
    mesh = Mesh.of(load_texts([("case.yaml", config), ("mesh.yaml", installed)]))
    router = proxy.get("type") == "router"
    namespace = proxy.get("metadata_namespace") or proxy.get("config_namespace") or "default"
    pod = Pod(
        name="proxy",
        namespace=namespace,
        ip=(proxy.get("ip_addresses") or ["1.1.1.1"])[0],
        labels=dict(proxy.get("labels") or {}),
        service_account="default",
        deployment=f"proxy.{namespace}",
        dns_capture=bool(proxy.get("DNSCapture")),
        version="",
        ports=(),
        sidecar=not router,
        gateway=router,
    )
    return mesh, pod
