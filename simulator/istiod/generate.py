"""Write all that istiod would send to one proxy.

Follows   istio pilot/pkg/networking/core/configgen.go
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from simulator.diagnostics import Diagnostic, Position
from simulator.envoy_api import Resources, format, message  # noqa: A004 - named in the architecture
from simulator.istiod import gateway, names
from simulator.istiod.authn import tokens
from simulator.istiod.authn.peers import PeerModes
from simulator.istiod.clusters import (
    black_hole,
    inbound_clusters,
    outbound_clusters,
    passthrough,
    sni_dnat_clusters,
)
from simulator.istiod.endpoints import assignments
from simulator.istiod.inbound import inbound_ports
from simulator.istiod.inbound_listener import virtual_inbound
from simulator.istiod.listeners import virtual_outbound
from simulator.istiod.outbound import outbound
from simulator.istiod.part import Part
from simulator.istiod.registry import Mesh, Pod
from simulator.istiod.routes import sidecar_routes, sniffed_routes
from simulator.istiod.scope import Scope, scope
from simulator.istiod.servers import opening
from simulator.observe.explain import FieldRef, Provenance

_MESSAGES = {
    "listeners": "envoy.config.listener.v3.Listener",
    "routes": "envoy.config.route.v3.RouteConfiguration",
    "clusters": "envoy.config.cluster.v3.Cluster",
    "endpoints": "envoy.config.endpoint.v3.ClusterLoadAssignment",
    "secrets": "envoy.extensions.transport_sockets.tls.v3.Secret",
}


_PLAIN = PeerModes(mode="DISABLE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """The resources of one proxy, where they come from, and what could not be translated."""

    resources: Resources
    provenance: Provenance
    diagnostics: tuple[Diagnostic, ...] = ()


def generate(mesh: Mesh, pod: Pod) -> Translation:
    """Return what istiod sends to a pod's proxy; nothing for a pod without one."""
    if not pod.proxied:
        return Translation(resources=Resources(), provenance={})
    view = scope(mesh, pod)
    parts, diagnostics = _gateway(view) if pod.gateway else _sidecar(view)
    provenance: dict[FieldRef, str] = {}
    built = {kind: _build(kind, found, provenance) for kind, found in parts.items()}
    return Translation(
        resources=Resources(**built),
        provenance=provenance,
        diagnostics=tuple(
            sorted((*mesh.diagnostics, *diagnostics, *tokens.unfetched(view)), key=_place)
        ),
    )


def _place(finding: Diagnostic) -> tuple[Position, str, str]:
    return finding.position or Position("", 0), finding.code, finding.message


def _sidecar(view: Scope) -> tuple[dict[str, list[Part]], list[Diagnostic]]:
    ports = inbound_ports(view)
    sent = outbound(view)
    routes = [sidecar_routes(view, port) for port in sent.ports]
    routes += [sniffed_routes(view, service, port) for service, port in sent.sniffed]
    clusters = [
        *outbound_clusters(view),
        black_hole(),
        passthrough(inbound=False),
        *inbound_clusters(view, ports),
        passthrough(inbound=True),
    ]
    listeners = [*sent.listeners, virtual_outbound(view), virtual_inbound(view, ports, _PLAIN)]
    return {
        "listeners": listeners,
        "routes": routes,
        "clusters": clusters,
        "endpoints": list(assignments(view)),
    }, []


def _gateway(view: Scope) -> tuple[dict[str, list[Part]], list[Diagnostic]]:
    found = opening(view.mesh, view.pod)
    clusters = [*outbound_clusters(view), black_hole()]
    endpoints = list(assignments(view))
    if any(served.auto for opened in found.opened.values() for served in opened.servers):
        clusters += sni_dnat_clusters(view)
        endpoints += assignments(view, named=names.sni_dnat)
    parts = {
        "listeners": list(gateway.gateway_listeners(view, found)),
        "routes": list(gateway.gateway_routes(view, found)),
        "clusters": clusters,
        "endpoints": endpoints,
        "secrets": list(gateway.gateway_secrets(view, found)),
    }
    return parts, [gateway.left_out(*each) for each in found.rejected]


def _build(kind: str, parts: Iterable[Part], provenance: dict[FieldRef, str]) -> tuple[Any, ...]:
    build = message(_MESSAGES[kind])
    found: dict[str, Any] = {}
    for part in parts:
        name = str(part.value.get("name") or part.value.get("cluster_name"))
        if name in found:
            continue
        found[name] = build(**part.value)
        for path, place in part.sources.items():
            provenance[FieldRef(kind, name, path)] = place
    return tuple(found[name] for name in sorted(found))


def to_json(translation: Translation, kind: str = "all") -> dict[str, list[dict[str, Any]]]:
    """Return the resources in Envoy's JSON form, of one kind or all, by kind.

    Raises KeyError for a kind that there is not.
    """
    by_kind = translation.resources.by_kind()
    chosen = by_kind if kind == "all" else {kind: by_kind[kind]}
    return {name: [format(each) for each in found] for name, found in chosen.items()}
