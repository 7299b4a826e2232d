"""DestinationRules: a host nobody has, subsets without pods, TLS that trusts anyone.

Follows   istio pkg/config/analysis/analyzers/destinationrule/{subset,ca-certificates}.go
"""

from __future__ import annotations

from collections.abc import Iterator

from simulator.config.istio import ClientTLSSettings
from simulator.config.mistakes import near
from simulator.diagnostics import Diagnostic
from simulator.istiod import names
from simulator.istiod.analysis.destinations import find_service
from simulator.istiod.analysis.report import report
from simulator.istiod.registry import Mesh, Service

_VERIFYING = frozenset({"SIMPLE", "MUTUAL"})


def subsets(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0174 for unknown hosts, IST0173 for subsets that select no pod."""
    for source in mesh.manifests.of("DestinationRule"):
        host = source.spec.host
        service = find_service(mesh, host, source.namespace)
        if service is None:
            known = [each.name for each in mesh.services.values() if each.kubernetes]
            yield report("IST0174", source, "spec.host", host=host, advice=near(host, known))
            continue
        for at, subset in enumerate(source.spec.subsets):
            if not _selects(mesh, service, subset.labels):
                labels = ", ".join(f"{key}={value}" for key, value in subset.labels.items())
                field = f"spec.subsets[{at}]"
                yield report("IST0173", source, field, subset=subset.name, labels=labels, host=host)


def _selects(mesh: Mesh, service: Service, labels: dict[str, str]) -> bool:
    wanted = {**service.selector, **labels}.items()
    if any(wanted <= pod.labels.items() for pod in mesh.pods):
        return True
    return any(labels.items() <= each.labels.items() for each in service.endpoints)


def unverified_servers(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0128 and IST0129 for TLS without a certificate to check the server's against."""
    for source in mesh.manifests.of("DestinationRule"):
        policy = source.spec.traffic_policy
        if policy is None:
            continue
        if _unverified(policy.tls):
            yield report(
                "IST0128", source, "spec.trafficPolicy.tls", mode=policy.tls.mode,
                host=names.resolve(source.spec.host, source.namespace),
            )  # fmt: skip
        for at, each in enumerate(policy.port_level_settings):
            if _unverified(each.tls):
                field = f"spec.trafficPolicy.portLevelSettings[{at}].tls"
                port = each.port.number if each.port is not None else 0
                host = names.resolve(source.spec.host, source.namespace)
                yield report("IST0129", source, field, mode=each.tls.mode, port=port, host=host)


def _unverified(tls: ClientTLSSettings | None) -> bool:
    if tls is None or tls.mode not in _VERIFYING:
        return False
    if tls.mode == "SIMPLE" and tls.credential_name:
        return False
    return not (tls.ca_certificates or tls.credential_name or tls.insecure_skip_verify)
