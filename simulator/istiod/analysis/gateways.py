"""Gateways: pods that they select, ports that those have, hosts that two of them claim.

Follows   istio pkg/config/analysis/analyzers/gateway/{gateway,conflictinggateway,certificate}.go
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from simulator.config.objects import Object
from simulator.diagnostics import Diagnostic
from simulator.istiod import names
from simulator.istiod.analysis.report import report
from simulator.istiod.registry import Mesh


def ports(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0101 for selectors without pods, IST0162 for ports that no Service has."""
    for source in mesh.manifests.of("Gateway"):
        selector = source.spec.selector
        pods = [pod for pod in mesh.pods if selector.items() <= pod.labels.items()]
        if not pods:
            written = ", ".join(f"{key}={value}" for key, value in selector.items())
            advice = "write istio: ingressgateway, or deploy pods with these labels"
            yield report(
                "IST0101", source, "spec.selector", what="pod", name=written, advice=advice
            )
            continue
        offered = {
            number
            for service in mesh.services.values()
            for port in service.ports
            for number in (port.number, port.target())
            if service.selector
            and any(
                pod.namespace == service.namespace
                and service.selector.items() <= pod.labels.items()
                for pod in pods
            )
        }
        for at, server in enumerate(source.spec.servers):
            if server.port.number not in offered:
                listed = ", ".join(str(each) for each in sorted(offered))
                field = f"spec.servers[{at}].port.number"
                yield report(
                    "IST0162", source, field, port=server.port.number, offered=listed or "none"
                )


def conflicts(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0145 for Gateways that claim the same hosts on a port of the same pods."""
    servers: dict[int, list[tuple[Object, int]]] = defaultdict(list)
    for source in mesh.manifests.of("Gateway"):
        for at, server in enumerate(source.spec.servers):
            servers[server.port.number].append((source, at))
    for port, claims in sorted(servers.items()):
        for source, at in claims:
            others = {
                other.ref
                for other, index in claims
                if other is not source and _share(source, at, other, index)
            }
            if others:
                listed = ", ".join(sorted(others))
                field = f"spec.servers[{at}].hosts"
                yield report("IST0145", source, field, port=port, others=listed)


def _share(first: Object, at: int, second: Object, index: int) -> bool:
    mine, theirs = first.spec.selector.items(), second.spec.selector.items()
    if not (mine <= theirs or theirs <= mine):
        return False
    return any(
        names.matches(one, other)
        for one in first.spec.servers[at].hosts
        for other in second.spec.servers[index].hosts
    )
