"""Say all that is wrong with some manifests, as `istioctl analyze` would.

Follows   istio pkg/config/analysis/analyzers/all.go
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from simulator.config.objects import Manifests
from simulator.diagnostics import Diagnostic, Position
from simulator.istiod.analysis import (
    destination_rules,
    destinations,
    gateways,
    services,
    unreachable,
    virtual_services,
)
from simulator.istiod.registry import Mesh
from simulator.istiod.validation.admission import validate

Analyzer = Callable[[Mesh], Iterator[Diagnostic]]

ANALYZERS: dict[str, tuple[Analyzer, ...]] = {
    "virtualservice.DestinationHostAnalyzer": (
        destinations.unknown_hosts,
        destinations.unaffected_ingress,
    ),
    "virtualservice.DestinationRuleAnalyzer": (destinations.unknown_subsets,),
    "virtualservice.GatewayAnalyzer": (virtual_services.unknown_gateways,),
    "virtualservice.ConflictingMeshGatewayHostsAnalyzer": (virtual_services.conflicting_hosts,),
    "schema.ValidationAnalyzer.VirtualService": (unreachable.unreachable_rules,),
    "destinationrule.SubsetSelectPodAnalyzer": (destination_rules.subsets,),
    "destinationrule.CaCertificateAnalyzer": (destination_rules.unverified_servers,),
    "gateway.IngressGatewayPortAnalyzer": (gateways.ports,),
    "gateway.ConflictingGatewayAnalyzer": (gateways.conflicts,),
    "service.PortNameAnalyzer": (services.port_names,),
    "serviceentry.Analyzer": (services.addresses,),
    "deployment.MultiServiceAnalyzer": (services.shared_ports,),
    "injection.Analyzer": (services.injection,),
}
"""By the name that Istio gives each."""


def analyze(manifests: Manifests) -> tuple[Diagnostic, ...]:
    """Return what the loader, the webhook and the analysers find, in the order of places."""
    # What istiod makes of Gateway API is not the learner's to mend.
    mesh = replace(Mesh.as_written(manifests), manifests=manifests)
    refused = [each for source in manifests.objects for each in validate(source)]
    found = [each for group in ANALYZERS.values() for check in group for each in check(mesh)]
    return tuple(sorted((*manifests.diagnostics, *mesh.diagnostics, *refused, *found), key=_place))


def _place(diagnostic: Diagnostic) -> tuple[bool, Position, str]:
    position = diagnostic.position
    return position is not None, position or Position("", 0), diagnostic.code
