"""The networks of a mesh: registries that nobody knows.

Follows   istio pkg/config/analysis/analyzers/multicluster/meshnetworks.go
"""

from __future__ import annotations

from collections.abc import Iterator

from simulator.config.yaml import documents
from simulator.diagnostics import Diagnostic
from simulator.istiod import names
from simulator.istiod.analysis.report import report
from simulator.istiod.registry import Mesh

_KNOWN = frozenset({"Mock", "Kubernetes", "External"})


def registries(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0126 for each network's endpoints that are from an unknown registry."""
    known = set(_KNOWN)
    for secret in mesh.manifests.of("Secret"):
        if secret.labels.get("istio/multiCluster") == "true":
            known |= {*secret.spec.data, *secret.spec.string_data}
    for source in mesh.manifests.of("ConfigMap"):
        text = source.spec.data.get("meshNetworks", "")
        if (source.name, source.namespace) != ("istio", names.ROOT_NAMESPACE) or not text:
            continue
        read, _ = documents("data.meshNetworks", text)
        value = read[0].node.plain() if read else None
        networks = value.get("networks") if isinstance(value, dict) else None
        for name, network in networks.items() if isinstance(networks, dict) else ():
            endpoints = network.get("endpoints") if isinstance(network, dict) else None
            for each in endpoints if isinstance(endpoints, list) else ():
                registry = each.get("fromRegistry") if isinstance(each, dict) else None
                if isinstance(registry, str) and registry not in known:
                    yield report(
                        "IST0126", source, "data.meshNetworks", registry=registry, network=name
                    )
