"""VirtualServices among each other: gateways that do not exist, hosts claimed twice.

Follows   istio pkg/config/analysis/analyzers/virtualservice/{gateways,
          conflictingmeshgatewayhosts}.go
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from simulator.config.mistakes import near
from simulator.config.objects import Object
from simulator.diagnostics import Diagnostic
from simulator.istiod import names
from simulator.istiod.analysis.report import report, scopes
from simulator.istiod.registry import Mesh


def unknown_gateways(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0101 for gateways that do not exist, IST0132 for hosts that they do not serve."""
    gateways = {(each.namespace, each.name): each for each in mesh.manifests.of("Gateway")}
    for source in mesh.manifests.of("VirtualService"):
        for at, reference in enumerate(source.spec.gateways):
            if reference == names.MESH_GATEWAY:
                continue
            home, _, name = reference.rpartition("/")
            gateway = gateways.get((home or source.namespace, name))
            field = f"spec.gateways[{at}]"
            if gateway is None:
                advice = near(reference, _references(gateways, source.namespace))
                yield report(
                    "IST0101", source, field, what="gateway", name=reference, advice=advice
                )
            if gateway is None or not _serves(gateway, source):
                servers = gateway.spec.servers if gateway is not None else ()
                served = ", ".join(host for one in servers for host in one.hosts)
                hosts = ", ".join(source.spec.hosts)
                yield report(
                    "IST0132",
                    source,
                    field,
                    gateway=reference,
                    hosts=hosts,
                    served=served or "no hosts",
                )


def _references(gateways: dict[tuple[str, str], Object], namespace: str) -> list[str]:
    return [name if home == namespace else f"{home}/{name}" for home, name in gateways]


def _serves(gateway: Object, source: Object) -> bool:
    for server in gateway.spec.servers:
        for host in server.hosts:
            home, _, name = host.rpartition("/")
            home = gateway.namespace if home == "." else home
            if home not in {"", "*", source.namespace}:
                continue
            if any(names.matches(name, each) for each in source.spec.hosts):
                return True
    return False


def conflicting_hosts(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0109 for hosts that several VirtualServices claim for the same sidecars."""
    claims = [
        _Claim(source=source, at=at, host=names.resolve(host, source.namespace), scopes=scope)
        for source in mesh.manifests.of("VirtualService")
        if not source.spec.gateways or names.MESH_GATEWAY in source.spec.gateways
        for scope in [scopes(source.spec.export_to, source.namespace)]
        for at, host in enumerate(source.spec.hosts)
    ]
    alike: dict[str, list[_Claim]] = defaultdict(list)
    for claim in claims:
        # Only wildcards overlap; an exact host is told from them by being more specific.
        alike["*" if names.is_wildcard(claim.host) else claim.host].append(claim)
    for claim in claims:
        rivals = alike["*" if names.is_wildcard(claim.host) else claim.host]
        others = {each.source.ref for each in rivals if claim.conflicts(each)}
        if others:
            yield report(
                "IST0109", claim.source, f"spec.hosts[{claim.at}]",
                host=claim.host, others=", ".join(sorted(others)),
            )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    source: Object
    at: int
    host: str
    scopes: frozenset[str]

    def conflicts(self, other: _Claim) -> bool:
        if other.source is self.source or not names.matches(self.host, other.host):
            return False
        return "*" in self.scopes | other.scopes or bool(self.scopes & other.scopes)
