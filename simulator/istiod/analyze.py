"""Say all that is wrong with some manifests, as `istioctl analyze` would.

Follows   istio pkg/config/analysis/analyzers/all.go
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from simulator.config.objects import Manifests
from simulator.diagnostics import Diagnostic, Position
from simulator.istiod.analysis import (
    annotation,
    certificates,
    deprecation,
    destination_rules,
    destinations,
    envoy_filters,
    gateway_api,
    gateways,
    injection,
    networks,
    policies,
    selectors,
    services,
    unreachable,
    virtual_services,
    webhooks,
    workloads,
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
    "virtualservice.JWTClaimRouteAnalyzer": (virtual_services.token_claims,),
    "virtualservice.ConflictingMeshGatewayHostsAnalyzer": (virtual_services.conflicting_hosts,),
    "schema.ValidationAnalyzer.VirtualService": (unreachable.unreachable_rules,),
    "destinationrule.SubsetSelectPodAnalyzer": (destination_rules.subsets,),
    "destinationrule.CaCertificateAnalyzer": (destination_rules.unverified_servers,),
    "gateway.IngressGatewayPortAnalyzer": (gateways.ports,),
    "gateway.ConflictingGatewayAnalyzer": (gateways.conflicts,),
    "k8sgateway.StatusAnalyzer": (
        gateway_api.classes,
        gateway_api.parents,
        gateway_api.conditions,
    ),
    "service.PortNameAnalyzer": (services.port_names,),
    "gateway.CertificateAnalyzer": (certificates.duplicates,),
    "gateway.SecretAnalyzer": (certificates.secrets,),
    "serviceentry.Analyzer": (services.addresses,),
    "serviceentry.ConflictingServiceEntryProtocolAnalyzer": (services.protocols,),
    "deployment.MultiServiceAnalyzer": (services.shared_ports, services.target_ports),
    "applicationUID.Analyzer": (workloads.users,),
    "injection.Analyzer": (injection.namespaces, injection.pods),
    "injection.ImageAutoAnalyzer": (injection.automatic_images,),
    "injection.ImageAnalyzer": (injection.images,),
    "sidecar.SelectorAnalyzer": (
        selectors.sidecars,
        selectors.default_sidecars,
        selectors.ambient_sidecars,
    ),
    "telemetry.SelectorAnalyzer": (selectors.telemetries,),
    "telemetry.DefaultSelectorAnalyzer": (selectors.default_telemetries,),
    "telemetry.ProviderAnalyzer": (deprecation.providers,),
    "telemetry.LightstepAnalyzer": (deprecation.lightstep,),
    "k8sgateway.SelectorAnalyzer": (selectors.gateway_policies,),
    "k8sgateway.CRDVersionAnalyzer": (deprecation.gateway_api,),
    "auth.AuthorizationPoliciesAnalyzer": (policies.workloads, policies.namespaces),
    "authn.BlockedCIDRsAnalyzer": (policies.fetched_keys,),
    "conditions.ConditionAnalyzer": (policies.conditions,),
    "deprecation.DeprecationAnalyzer": (deprecation.fields,),
    "envoyfilter.EnvoyPatchAnalyzer": (envoy_filters.patches,),
    "webhook.Analyzer": (webhooks.injectors,),
    "externalcontrolplane.ExternalControlPlaneAnalyzer": (webhooks.external,),
    "meshnetworks.MeshNetworksAnalyzer": (networks.registries,),
    "annotations.K8sAnalyzer": (annotation.misused,),
}
"""By the name that Istio gives each."""
ON_REQUEST: dict[str, tuple[Analyzer, ...]] = {
    "annotations.AlphaAnalyzer": (annotation.alpha,),
}
"""Those that istioctl runs only when asked for: they say too much."""


def analyze(manifests: Manifests) -> tuple[Diagnostic, ...]:
    """Return what the loader, the webhook and the analysers find, in the order of places."""
    # What istiod makes of Gateway API is not the learner's to mend.
    mesh = replace(Mesh.as_written(manifests), manifests=manifests)
    refused = [each for source in manifests.objects for each in validate(source)]
    found = run(mesh, [check for group in ANALYZERS.values() for check in group])
    return tuple(sorted((*manifests.diagnostics, *mesh.diagnostics, *refused, *found), key=_place))


def run(mesh: Mesh, checks: Iterable[Analyzer]) -> tuple[Diagnostic, ...]:
    """Return what some analysers find, each finding once."""
    return tuple(dict.fromkeys(each for check in checks for each in check(mesh)))


def _place(diagnostic: Diagnostic) -> tuple[bool, Position, str]:
    position = diagnostic.position
    return position is not None, position or Position("", 0), diagnostic.code
