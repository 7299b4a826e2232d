"""Write all that istiod would send to one proxy.

Follows   istio pilot/pkg/networking/core/configgen.go
"""

from __future__ import annotations

from bisect import bisect
from collections import ChainMap
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from simulator.diagnostics import Diagnostic, Position
from simulator.envoy_api import Resources, format, message  # noqa: A004 - named in the architecture
from simulator.istiod import gateway, names, sds
from simulator.istiod.authn import tokens
from simulator.istiod.authn.peers import peer_modes
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
from simulator.istiod.likeness import kindred, likeness
from simulator.istiod.listeners import virtual_outbound
from simulator.istiod.outbound import outbound
from simulator.istiod.part import Part, Places, Written
from simulator.istiod.patches import apply, patches
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """The resources of one proxy, where they come from, and what could not be translated."""

    resources: Resources
    provenance: Provenance
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class _Built:
    """Messages by kind and name, in the order of names, and where their fields were written."""

    messages: dict[str, dict[str, Any]]
    written: dict[FieldRef, Written]


def generate(mesh: Mesh, pod: Pod) -> Translation:
    """Return what istiod sends to a pod's proxy; nothing for a pod without one.

    Sidecars that see and send alike get the very same messages, but for what comes in.
    """
    if not pod.proxied:
        return Translation(resources=Resources(), provenance={})
    if pod.gateway:
        view = scope(mesh, pod)
        parts, diagnostics = _gateway(view)
        built = [_build(parts)]
    else:
        view, outward = _outward(mesh, pod)
        diagnostics = []
        built = [outward, _build(_inward(view))]
    changes, wrong = patches(mesh, pod)
    resources = Resources(**{kind: _joined(kind, built) for kind in _MESSAGES})
    return Translation(
        resources=apply(resources, changes, gateway=pod.gateway),
        provenance=Places(ChainMap(*(each.written for each in built))),
        diagnostics=tuple(
            sorted((*mesh.diagnostics, *diagnostics, *wrong, *tokens.unfetched(view)), key=_place)
        ),
    )


def _joined(kind: str, built: list[_Built]) -> tuple[Any, ...]:
    first, *others = (each.messages.get(kind, {}) for each in built)
    found, places = list(first.values()), list(first)
    # The others are few: they are put in their places.
    for other in others:
        for name, one in other.items():
            at = bisect(places, name)
            places.insert(at, name)
            found.insert(at, one)
    return tuple(found)


def _outward(mesh: Mesh, pod: Pod) -> tuple[Scope, _Built]:
    """Return what the pod sees, and what leads out of it; made once for all that are alike."""
    double = kindred(mesh, pod)
    key = likeness(double)
    if key not in mesh.shared:
        view = scope(mesh, double)
        mesh.shared[key] = view, _build(_outgoing(view))
    view, built = mesh.shared[key]
    return replace(view, pod=pod), built


def _place(finding: Diagnostic) -> tuple[Position, str, str]:
    return finding.position or Position("", 0), finding.code, finding.message


def _outgoing(view: Scope) -> dict[str, list[Part]]:
    sent = outbound(view)
    routes = [sidecar_routes(view, port) for port in sent.ports]
    routes += [sniffed_routes(view, service, port) for service, port in sent.sniffed]
    clusters = [*outbound_clusters(view), black_hole(), passthrough(view, inbound=False)]
    return {
        "listeners": [*sent.listeners, virtual_outbound(view)],
        "routes": routes,
        "clusters": clusters,
        "endpoints": list(assignments(view)),
    }


def _inward(view: Scope) -> dict[str, list[Part]]:
    ports = inbound_ports(view)
    modes = peer_modes(view.mesh, view.pod.namespace, view.pod.labels)
    return {
        "listeners": [virtual_inbound(view, ports, modes)],
        "clusters": [*inbound_clusters(view, ports), passthrough(view, inbound=True)],
    }


def _gateway(view: Scope) -> tuple[dict[str, list[Part]], list[Diagnostic]]:
    found = opening(view.mesh, view.pod)
    clusters = [*outbound_clusters(view), black_hole()]
    endpoints = list(assignments(view))
    if any(served.auto for opened in found.opened.values() for served in opened.servers):
        clusters += sni_dnat_clusters(view)
        endpoints += assignments(view, named=names.sni_dnat)
    listeners = list(gateway.gateway_listeners(view, found))
    names_ = (*sds.named(listeners), *sds.named(clusters))
    parts = {
        "listeners": listeners,
        "routes": list(gateway.gateway_routes(view, found)),
        "clusters": clusters,
        "endpoints": endpoints,
        "secrets": list(sds.secrets(view.mesh, view.pod, names_)),
    }
    return parts, [gateway.left_out(*each) for each in found.rejected]


def _build(parts: dict[str, list[Part]]) -> _Built:
    written: dict[FieldRef, Written] = {}
    messages = {kind: _messages(kind, found, written) for kind, found in parts.items()}
    return _Built(messages, written)


def _messages(kind: str, parts: Iterable[Part], written: dict[FieldRef, Written]) -> dict[str, Any]:
    build = message(_MESSAGES[kind])
    found: dict[str, Any] = {}
    for part in parts:
        name = str(part.value.get("name") or part.value.get("cluster_name"))
        if name in found:
            continue
        found[name] = build(**part.value)
        for path, place in part.sources.items():
            written[FieldRef(kind, name, path)] = place
    return {name: found[name] for name in sorted(found)}


def to_json(translation: Translation, kind: str = "all") -> dict[str, list[dict[str, Any]]]:
    """Return the resources in Envoy's JSON form, of one kind or all, by kind.

    Raises KeyError for a kind that there is not.
    """
    by_kind = translation.resources.by_kind()
    chosen = by_kind if kind == "all" else {kind: by_kind[kind]}
    return {name: [format(each) for each in found] for name, found in chosen.items()}
