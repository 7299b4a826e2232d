"""Services and what declares them: port names, addresses, pods that belong to several.

Follows   istio pkg/config/analysis/analyzers/{service/portname,serviceentry/protocoladdresses,
          deployment/services,injection/injection}.go
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from simulator.diagnostics import Diagnostic
from simulator.istiod import names, protocol
from simulator.istiod.analysis.report import report
from simulator.istiod.protocol import Protocol
from simulator.istiod.registry import Mesh

_SYSTEM = frozenset({"kube-system", "kube-public", "kube-node-lease", "local-path-storage"})
_OPAQUE = frozenset({"", "TCP"})


def port_names(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0118 for port names that tell no protocol, IST0150 for an ExternalName's."""
    for source in mesh.manifests.of("Service"):
        if source.namespace in _SYSTEM or source.labels.get("istio") == "pilot":
            continue
        external = source.spec.type == "ExternalName"
        for at, port in enumerate(source.spec.ports):
            found = protocol.of_port(port.port, port.name, port.app_protocol, port.protocol)
            if found is not Protocol.AUTO and not (external and port.name == "tcp"):
                continue
            code = "IST0150" if external else "IST0118"
            named = f"'{port.name}'" if port.name else "without a name"
            yield report(code, source, f"spec.ports[{at}]", named=named, port=port.port)


def addresses(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0134 for TCP ports of a ServiceEntry without addresses."""
    for source in mesh.manifests.of("ServiceEntry"):
        if source.spec.addresses:
            continue
        for at, port in enumerate(source.spec.ports):
            if port.protocol in _OPAQUE:
                yield report("IST0134", source, f"spec.ports[{at}]", port=port.number)


def shared_ports(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0116 where Services disagree on the protocol of a workload's port."""
    for source in mesh.manifests.of("Deployment"):
        labels = source.spec.template.metadata.labels
        if source.namespace in _SYSTEM or not labels:
            continue
        protocols: dict[int, dict[Protocol, list[str]]] = defaultdict(lambda: defaultdict(list))
        for service in mesh.services.values():
            if service.namespace != source.namespace or not service.selector:
                continue
            if service.selector.items() <= labels.items():
                for port in service.ports:
                    protocols[port.target()][port.protocol].append(service.name)
        for number, found in sorted(protocols.items()):
            if len(found) > 1:
                listed = ", ".join(sorted(name for each in found.values() for name in each))
                yield report("IST0116", source, "metadata.name", port=number, services=listed)


def injection(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0102 for namespaces without a word on injection, IST0123 for those with two."""
    for source in mesh.manifests.of("Namespace"):
        if source.name in _SYSTEM | {names.ROOT_NAMESPACE}:
            continue
        switch = source.labels.get("istio-injection")
        modes = [
            switch == "enabled",
            "istio.io/rev" in source.labels,
            source.labels.get("istio.io/dataplane-mode") == "ambient",
        ]
        if switch != "disabled" and sum(modes) > 1:
            yield report("IST0123", source, "metadata.labels")
        elif switch is None and not any(modes):
            yield report("IST0102", source, "metadata.name", name=source.name)
