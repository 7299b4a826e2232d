"""Services and what declares them: port names, addresses, pods that belong to several.

Follows   istio pkg/config/analysis/analyzers/{service/portname,serviceentry/protocoladdresses,
          deployment/services,injection/injection}.go
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from simulator.config.objects import Object
from simulator.diagnostics import Diagnostic
from simulator.istiod import protocol
from simulator.istiod.analysis.membership import injected
from simulator.istiod.analysis.report import report, scopes
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


def target_ports(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0137 where Services have several ports for one of a workload's."""
    for source in mesh.manifests.of("Deployment"):
        template = source.spec.template
        metadata = template.metadata
        labels = metadata.labels
        managed = source.labels.get("gateway.istio.io/managed") == "istio.io-mesh-controller"
        if managed or not injected(
            mesh, source.namespace, labels, metadata.annotations, template.spec.containers
        ):
            continue
        found: dict[str, dict[int, str]] = defaultdict(dict)
        for service in mesh.manifests.of("Service"):
            selector = service.spec.selector
            if service.namespace != source.namespace or not selector:
                continue
            if selector.items() <= labels.items():
                for port in service.spec.ports:
                    found[str(port.target_port or port.port)][port.port] = service.name
        for target, ports in sorted(found.items()):
            if len(ports) > 1:
                listed = ", ".join(f"{name}:{port}" for port, name in sorted(ports.items()))
                yield report("IST0137", source, "metadata.name", port=target, services=listed)


def protocols(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0177 for ServiceEntries that give a host's port different protocols."""
    claims: dict[tuple[str, str, int], list[tuple[Object, str]]] = defaultdict(list)
    for source in mesh.manifests.of("ServiceEntry"):
        for scope in scopes(source.spec.export_to, source.namespace):
            for host in source.spec.hosts:
                for port in source.spec.ports:
                    claims[scope, host, port.number].append((source, port.protocol.upper()))
    told: dict[str, Diagnostic] = {}
    for (scope, host, number), entries in claims.items():
        seen = [*entries, *(claims.get(("*", host, number), []) if scope != "*" else [])]
        spoken = sorted({each or "none" for _, each in seen})
        for source, _ in seen if len(spoken) > 1 else ():
            others = ", ".join(sorted({each.ref for each, _ in seen if each is not source}))
            finding = report(
                "IST0177", source, "metadata.name", host=host, port=number,
                protocols=", ".join(spoken), others=others,
            )  # fmt: skip
            told.setdefault(source.ref, finding)
    yield from told.values()
