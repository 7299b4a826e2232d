"""Which mutual TLS a workload asks for, port by port.

Follows   istio pilot/pkg/security/authn/policy_applier.go (ComposePeerAuthentication)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from simulator.config.objects import Object
from simulator.istiod.registry import Mesh
from simulator.istiod.services import selects
from simulator.istiod.virtual_service import age

Mode = Literal["DISABLE", "PERMISSIVE", "STRICT"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerModes:
    """What a workload asks for, and which policy says so."""

    mode: Mode = "PERMISSIVE"
    by_port: dict[int, Mode] = field(default_factory=dict)
    """By the workload's own port."""
    source: Object | None = None

    def of(self, port: int) -> Mode:
        """Return the mode of one of the workload's ports."""
        return self.by_port.get(port, self.mode)


def peer_modes(mesh: Mesh, namespace: str, labels: dict[str, str]) -> PeerModes:
    """Return the modes of a workload: the narrowest policy that says something decides."""
    found = namespace_mode(mesh, namespace)
    own = [
        each
        for each in _oldest_first(mesh)
        if each.namespace == namespace != mesh.config.root_namespace
        and selects(_labels(each), labels)
    ]
    if not own:
        return found
    policy = own[0]
    mode = _mode(policy, found.mode)
    ports = {
        int(port): mode if each.mode == "UNSET" else each.mode
        for port, each in policy.spec.port_level_mtls.items()
    }
    return PeerModes(mode=mode, by_port=ports, source=policy)


def namespace_mode(mesh: Mesh, namespace: str) -> PeerModes:
    """Return what a namespace asks for where no policy speaks of a workload."""
    found = PeerModes()
    for home in dict.fromkeys((mesh.config.root_namespace, namespace)):
        level = [each for each in _oldest_first(mesh) if each.namespace == home]
        policy = next((each for each in level if not _labels(each)), None)
        if policy is not None:
            found = PeerModes(mode=_mode(policy, found.mode), source=policy)
    return found


def _oldest_first(mesh: Mesh) -> list[Object]:
    return sorted(mesh.manifests.of("PeerAuthentication"), key=age)


def _labels(policy: Object) -> dict[str, str]:
    selector = policy.spec.selector
    return dict(selector.match_labels) if selector is not None else {}


def _mode(policy: Object, parent: Mode) -> Mode:
    mtls = policy.spec.mtls
    if mtls is None or mtls.mode == "UNSET":
        return parent
    mode: Mode = mtls.mode
    return mode
