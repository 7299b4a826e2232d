"""What is no longer used: fields, kinds, providers, versions of Gateway API's kinds.

Follows   istio pkg/config/analysis/analyzers/{deprecation/deprecation,telemetry/{lightstep,
          providers},k8sgateway/crdversion}.go
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from simulator.diagnostics import Diagnostic
from simulator.istiod.analysis.report import report
from simulator.istiod.registry import Mesh

_REMOVED = frozenset({"ClusterRbacConfig", "RbacConfig", "ServiceRole", "ServiceRoleBinding"})
_BUNDLE = "gateway.networking.k8s.io/bundle-version"
_MINIMUM = {
    "backendtlspolicies.gateway.networking.k8s.io": (1, 4),
    "grpcroutes.gateway.networking.k8s.io": (1, 1),
    "tlsroutes.gateway.networking.k8s.io": (1, 5),
}
_VERSION = re.compile(r"v?(\d+)\.(\d+)")


def fields(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0002 for fields and kinds that are deprecated."""
    for source in mesh.manifests.of("VirtualService"):
        for at, rule in enumerate(source.spec.http):
            if rule.fault is not None and rule.fault.delay is not None and rule.fault.delay.percent:
                place = f"spec.http[{at}].fault.delay.percent"
                yield report("IST0002", source, place, what="percent", instead="percentage")
    for source in mesh.manifests.of("Sidecar"):
        policy = source.spec.outbound_traffic_policy
        if policy is not None and policy.egress_proxy is not None:
            place = "spec.outboundTrafficPolicy.egressProxy"
            instead = "a VirtualService for the egress gateway"
            yield report("IST0002", source, place, what="egressProxy", instead=instead)
    for source in mesh.manifests.of("CustomResourceDefinition"):
        kind = source.spec.names.kind
        if source.spec.group == "rbac.istio.io" and kind in _REMOVED:
            instead = "AuthorizationPolicy"
            yield report("IST0002", source, "spec.names.kind", what=kind, instead=instead)


def lightstep(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0002 for Telemetries that trace with Lightstep."""
    gone = {each.name for each in mesh.config.extension_providers if each.lightstep is not None}
    for source in mesh.manifests.of("Telemetry"):
        for at, tracing in enumerate(source.spec.tracing):
            for index, each in enumerate(tracing.providers):
                if each.name in gone:
                    place = f"spec.tracing[{at}].providers[{index}].name"
                    instead = "an opentelemetry provider"
                    yield report("IST0002", source, place, what=each.name, instead=instead)


def providers(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0157 for access logs that no provider keeps."""
    if mesh.config.default_providers.get("accessLogging"):
        return
    for source in mesh.manifests.of("Telemetry"):
        for at, logging in enumerate(source.spec.access_logging):
            if not logging.providers:
                yield report("IST0157", source, f"spec.accessLogging[{at}]")


def gateway_api(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0176 for kinds of Gateway API that are too old to be watched."""
    for source in mesh.manifests.of("CustomResourceDefinition"):
        minimum = _MINIMUM.get(source.name)
        version = source.annotations.get(_BUNDLE, "")
        found = _VERSION.match(version)
        if minimum is None or found is None:
            continue
        if (int(found[1]), int(found[2])) < minimum:
            needed = f"v{minimum[0]}.{minimum[1]}"
            field = f"metadata.annotations.{_BUNDLE}"
            yield report("IST0176", source, field, version=version, needed=needed)
