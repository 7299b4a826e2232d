"""The mesh as istiod sees it: services, pods, and the manifests that made them.

Manifests alone are enough: `default` is injected, `istio-system` holds istiod and
the ingress gateway, and addresses are given in the order of names.
"""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from simulator.config.istio import MeshConfig
from simulator.config.objects import Manifests
from simulator.diagnostics import Diagnostic
from simulator.istiod.destination_rule import Rulebook, consolidate
from simulator.istiod.gateway_api import Status, deployed, translate
from simulator.istiod.ingress import with_ingresses
from simulator.istiod.mesh_config import mesh_config
from simulator.istiod.pod import Pod, pods
from simulator.istiod.service import (
    UNSPECIFIED,
    Endpoint,
    Locality,
    Port,
    Resolution,
    Service,
    by_host,
)
from simulator.istiod.service_entry import service_entries
from simulator.istiod.services import kubernetes_services
from simulator.istiod.unmodelled import unmodelled
from simulator.istiod.validation.admission import admit
from simulator.istiod.virtual_service import VirtualService, age, read

__all__ = [
    "Endpoint",
    "Locality",
    "Mesh",
    "Pod",
    "Port",
    "Resolution",
    "Service",
    "UnknownProxyError",
]


NOTHING_KNOWN: Mapping[str, str] = {}


class UnknownProxyError(LookupError):
    """No pod or workload has that name; `near` holds names that are like it."""

    def __init__(self, reference: str, near: tuple[str, ...]) -> None:
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        super().__init__(f"there is no pod or Deployment {reference!r} in the mesh{hint}")
        self.reference = reference
        self.near = near


@dataclass(frozen=True, slots=True, kw_only=True)
class Mesh:
    """All that the control plane knows; immutable."""

    manifests: Manifests
    """As written, with what istiod makes of Gateway API and of Ingresses."""
    config: MeshConfig
    pods: tuple[Pod, ...]
    """Sorted by NAME.NAMESPACE."""
    registered: tuple[Service, ...]
    """All services, oldest first: a host may come several times, of several namespaces."""
    services: dict[str, Service]
    """The one that counts for each host, in the order of hosts."""
    virtual_services: tuple[VirtualService, ...]
    """Oldest first."""
    destination_rules: Rulebook
    statuses: tuple[Status, ...] = ()
    """What became of the objects of Gateway API."""
    diagnostics: tuple[Diagnostic, ...] = ()
    """What is wrong with objects that are refused, and with `config`."""
    shared: dict[Hashable, Any] = field(default_factory=dict, compare=False, repr=False)
    """What was once translated for proxies that are alike."""

    @classmethod
    def of(cls, manifests: Manifests, known: Mapping[str, str] = NOTHING_KNOWN) -> Mesh:
        """Return the mesh that manifests make, without the objects that the webhook refuses.

        `known` are the addresses of a mesh that it follows.
        """
        admitted, found = admit(manifests)
        mesh = cls.as_written(admitted, known)
        return replace(
            mesh, diagnostics=(*found, *mesh.diagnostics, *unmodelled(admitted, mesh.config))
        )

    @classmethod
    def as_written(cls, manifests: Manifests, known: Mapping[str, str] = NOTHING_KNOWN) -> Mesh:
        """Return the mesh if nothing were refused, as analysis looks at it."""
        manifests = deployed(manifests)
        config, mistakes = mesh_config(manifests)
        running = pods(manifests, config, known)
        registered = tuple(
            sorted(
                (
                    *kubernetes_services(manifests, running, config, known),
                    *service_entries(manifests, running, config),
                ),
                key=_age,
            )
        )
        services = by_host(registered)
        manifests = with_ingresses(manifests, services, config.ingress_class)
        translated = translate(manifests, services)
        manifests = translated.manifests
        return cls(
            manifests=manifests,
            config=config,
            pods=running,
            registered=registered,
            services=services,
            virtual_services=read(
                manifests.of("VirtualService"),
                frozenset(config.default_virtual_service_export_to),
            ),
            destination_rules=Rulebook(
                consolidate(
                    manifests.of("DestinationRule"),
                    frozenset(config.default_destination_rule_export_to),
                )
            ),
            statuses=translated.statuses,
            diagnostics=mistakes,
        )

    @property
    def addresses(self) -> dict[str, str]:
        """Return the addresses of pods by NAME.NAMESPACE, of Kubernetes' services by host."""
        found = {pod.ref: pod.ip for pod in self.pods}
        own = (each for each in self.registered if each.kubernetes and each.ip != UNSPECIFIED)
        return found | {each.hostname: each.ip for each in own}

    def pod(self, reference: str) -> Pod:
        """Return the pod called POD.NS, or the first of [deploy/]WORKLOAD.NS.

        Raises UnknownProxyError for any other reference.
        """
        name = reference.partition("/")[2] if "/" in reference else reference
        if "/" not in reference:
            for pod in self.pods:
                if pod.ref == name:
                    return pod
        found = self.pods_of(name)
        if found:
            return found[0]
        known = sorted({pod.ref for pod in self.pods} | {pod.deployment for pod in self.pods})
        raise UnknownProxyError(reference, tuple(difflib.get_close_matches(name, known, n=3)))

    def pods_of(self, workload: str) -> tuple[Pod, ...]:
        """Return the pods of WORKLOAD.NS; none for an unknown one."""
        return tuple(pod for pod in self.pods if pod.deployment == workload)


def _age(service: Service) -> tuple[tuple[str, str, str], str]:
    oldest = age(service.source) if service.source is not None else ("", "", "")
    return oldest, service.hostname
