"""Refuse what istiod's webhook refuses, and warn of what it warns of.

Models    the validating webhook: an object with an error never comes to be
Follows   istio pkg/webhooks/validation/server/server.go, pkg/config/validation/validation.go
Leaves    the order in which objects are applied: each is judged by itself
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from simulator.config.objects import Manifests, Object
from simulator.diagnostics import Diagnostic, Level, diagnose
from simulator.istiod.validation.authentication import (
    peer_authentication,
    request_authentication,
)
from simulator.istiod.validation.authorization_policy import authorization_policy
from simulator.istiod.validation.destination_rule import destination_rule
from simulator.istiod.validation.envoy_filter import envoy_filter
from simulator.istiod.validation.extension import extension
from simulator.istiod.validation.fault import Fault, Faults
from simulator.istiod.validation.gateway import gateway
from simulator.istiod.validation.service_entry import (
    service_entry,
    workload_entry,
    workload_group,
)
from simulator.istiod.validation.sidecar import sidecar
from simulator.istiod.validation.telemetry import proxy_config, telemetry
from simulator.istiod.validation.virtual_service import virtual_service

CHECKS: dict[tuple[str, str], Callable[[Object], Faults]] = {
    ("networking.istio.io", "Gateway"): gateway,
    ("networking.istio.io", "VirtualService"): virtual_service,
    ("networking.istio.io", "DestinationRule"): destination_rule,
    ("networking.istio.io", "ServiceEntry"): service_entry,
    ("networking.istio.io", "WorkloadEntry"): workload_entry,
    ("networking.istio.io", "WorkloadGroup"): workload_group,
    ("networking.istio.io", "Sidecar"): sidecar,
    ("networking.istio.io", "EnvoyFilter"): envoy_filter,
    ("networking.istio.io", "ProxyConfig"): proxy_config,
    ("security.istio.io", "PeerAuthentication"): peer_authentication,
    ("security.istio.io", "RequestAuthentication"): request_authentication,
    ("security.istio.io", "AuthorizationPolicy"): authorization_policy,
    ("telemetry.istio.io", "Telemetry"): telemetry,
    ("extensions.istio.io", "WasmPlugin"): extension,
    ("extensions.istio.io", "TrafficExtension"): extension,
}
_DRY_RUN = "istio.io/dry-run"


def faults(source: Object) -> Faults:
    """Yield what the webhook has against an object."""
    group = source.api_version.partition("/")[0]
    check = CHECKS.get((group, source.kind))
    if check is None:
        return
    if source.kind != "AuthorizationPolicy" and _DRY_RUN in source.annotations:
        yield Fault(f"metadata.annotations.{_DRY_RUN}", "only an AuthorizationPolicy has it")
    yield from check(source)


def validate(source: Object) -> tuple[Diagnostic, ...]:
    """Return IST0106 for each error and IST0133 for each warning about an object."""
    return tuple(
        diagnose(
            "IST0133" if each.warning else "IST0106",
            position=source.at(each.at),
            resource=source.ref,
            field=each.at,
            problem=each.problem,
        )
        for each in faults(source)
    )


def admit(manifests: Manifests) -> tuple[Manifests, tuple[Diagnostic, ...]]:
    """Return the manifests without the objects that are refused, and what is wrong with all."""
    found: list[Diagnostic] = []
    admitted: list[Object] = []
    for each in manifests.objects:
        wrong = validate(each)
        found += wrong
        if all(one.level is not Level.ERROR for one in wrong):
            admitted.append(each)
    return replace(manifests, objects=tuple(admitted)), tuple(found)
