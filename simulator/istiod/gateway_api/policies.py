"""Write the DestinationRules that stand for policies of backends.

Follows   istio pilot/pkg/config/kube/gateway/backend_policies.go
Leaves    session persistence (docs/fidelity.md#gateway-api)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.config.gateway_api import BackendTLSPolicy, XBackendTrafficPolicy
from simulator.config.gateway_api.values import nanoseconds
from simulator.config.istio import (
    ClientTLSSettings,
    DestinationRule,
    PortSelector,
    PortTrafficPolicy,
    RetryBudget,
    TrafficPolicy,
)
from simulator.config.objects import Object
from simulator.istiod import names
from simulator.istiod.gateway_api.references import World, authorities
from simulator.istiod.gateway_api.status import (
    GATEWAY_CONTROLLER,
    MESH_CONTROLLER,
    Condition,
    Fault,
    ParentStatus,
    Reference,
    Status,
    condition,
)

_IGNORED = "istio.io/ignore-policy-attachment"
_INVALID = "invalid://"
"""A certificate that no proxy gets: calls fail rather than go unchecked."""
_MIN_CONCURRENCY = 10
_KINDS = {("", "Service"), ("networking.istio.io", "ServiceEntry")}

Gateways = Mapping[tuple[str, str], Sequence[tuple[str, str]]]
"""The Gateways, by namespace and name, whose routes lead to a service of that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """A policy and one of its targets."""

    policy: Object
    target: tuple[str, str]
    """The namespace and name of the service."""
    section: str
    field: str
    """The part of the traffic policy that it sets."""
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A DestinationRule made of policies."""

    namespace: str
    name: str
    parents: tuple[str, ...]
    source: Object
    spec: DestinationRule


def policies(world: World, gateways: Gateways) -> tuple[list[Rule], list[Status]]:
    """Return the DestinationRules of all policies, and what there is to say of each policy."""
    attached: list[Attached] = []
    statuses: list[Status] = []
    taken: dict[tuple[str, str, str], Object] = {}
    for policy in sorted(world.manifests.of("BackendTLSPolicy"), key=_age):
        found, status = _tls_policy(world, policy, taken, gateways)
        attached += found
        statuses.append(status)
    for policy in sorted(world.manifests.of("XBackendTrafficPolicy"), key=_age):
        found, status = _traffic_policy(world, policy)
        attached += found
        statuses.append(status)
    return list(_rules(world, attached)), statuses


def _age(source: Object) -> tuple[str, str, str]:
    return source.created, source.namespace, source.name


def _tls_policy(
    world: World,
    policy: Object,
    taken: dict[tuple[str, str, str], Object],
    gateways: Gateways,
) -> tuple[list[Attached], Status]:
    spec: BackendTLSPolicy = policy.spec
    ignored = policy.annotations.get(_IGNORED) == "true"
    found: list[Attached] = []
    ancestors: list[ParentStatus] = []
    reached: list[tuple[str, str]] = []
    settings, invalid, unresolved = _client_tls(world, policy)
    for index, ref in enumerate(spec.target_refs):
        at = f"spec.targetRefs[{index}]"
        section = ref.section_name or ""
        reference = Reference(group=ref.group, kind=ref.kind, name=ref.name, section=section)
        if ignored:
            fault = Fault("IgnoredByIstio", f"the annotation {_IGNORED} says so", "metadata")
            ancestors.append(_ancestor(reference, MESH_CONTROLLER, fault))
            continue
        wrong = _target(world, policy, ref.group, ref.kind, ref.name, section, at)
        key = (policy.namespace, ref.name, section)
        if wrong is None and key in taken:
            message = f"the older {taken[key].ref} is for the same"
            wrong = Fault("Conflicted", message, at)
        if wrong is None:
            taken[key] = policy
            target = (policy.namespace, ref.name)
            reached += gateways.get(target, ())
            found.append(
                Attached(policy=policy, target=target, section=section, field="tls", value=settings)
            )
        resolved = condition("ResolvedRefs", unresolved)
        ancestors.append(_ancestor(reference, MESH_CONTROLLER, wrong or invalid, resolved))
    for namespace, name in dict.fromkeys(reached):
        reference = Reference(kind="Gateway", name=name, namespace=namespace)
        resolved = condition("ResolvedRefs", unresolved)
        ancestors.append(_ancestor(reference, GATEWAY_CONTROLLER, invalid, resolved))
    return found, Status(source=policy, parents=tuple(ancestors))


def _ancestor(
    reference: Reference, controller: str, fault: Fault | None, *more: Condition
) -> ParentStatus:
    return ParentStatus(
        reference=reference,
        controller=controller,
        conditions=(condition("Accepted", fault), *more),
    )


def _target(
    world: World, policy: Object, group: str, kind: str, name: str, section: str, at: str
) -> Fault | None:
    if (group, kind) not in _KINDS:
        return Fault("TargetNotFound", f"{kind} is no kind of target", f"{at}.kind")
    service = world.named(kind, policy.namespace, name)
    if service is None:
        message = f"there is no {kind} {policy.namespace}/{name}"
        return Fault("TargetNotFound", message, f"{at}.name")
    if section and section not in [each.name for each in service.spec.ports]:
        message = f"the {kind} {name} has no port called {section}"
        return Fault("TargetNotFound", message, f"{at}.sectionName")
    return None


def _client_tls(
    world: World, policy: Object
) -> tuple[ClientTLSSettings, Fault | None, Fault | None]:
    """Return the TLS of clients, why it is invalid, and which reference leads nowhere."""
    check = policy.spec.validation
    fields: dict[str, Any] = {"mode": "SIMPLE", "sni": check.hostname}
    names_ = [
        each.hostname if each.type == "Hostname" else each.uri for each in check.subject_alt_names
    ]
    if names_:
        fields["subject_alt_names"] = tuple(each for each in names_ if each)
    invalid = unresolved = None
    at = "spec.validation"
    if check.well_known_ca_certificates:
        if check.well_known_ca_certificates != "System":
            message = f"no certificates are known as {check.well_known_ca_certificates}"
            invalid = Fault("Invalid", message, f"{at}.wellKnownCACertificates")
    elif check.ca_certificate_refs:
        ref = check.ca_certificate_refs[0]
        name = f"{policy.namespace}/{ref.name}"
        unresolved = _authority(world, policy, ref.group, ref.kind, ref.name)
        fields["credential_name"] = f"configmap://{name}"
        if unresolved is not None:
            fields["credential_name"] = _INVALID
            invalid = Fault("NoValidCACertificate", unresolved.message, unresolved.field)
    return ClientTLSSettings.model_construct(**fields), invalid, unresolved


def _authority(world: World, policy: Object, group: str, kind: str, name: str) -> Fault | None:
    at = "spec.validation.caCertificateRefs[0]"
    if (group, kind) != ("", "ConfigMap"):
        return Fault("InvalidKind", f"{kind} is no kind of authorities' certificates", f"{at}.kind")
    source = world.named("ConfigMap", policy.namespace, name)
    if source is None:
        message = f"there is no ConfigMap {policy.namespace}/{name}"
        return Fault("InvalidCACertificateRef", message, f"{at}.name")
    if not authorities(source):
        message = f"the ConfigMap {policy.namespace}/{name} has no certificate in ca.crt"
        return Fault("InvalidCACertificateRef", message, at)
    return None


def _traffic_policy(world: World, policy: Object) -> tuple[list[Attached], Status]:
    spec: XBackendTrafficPolicy = policy.spec
    found: list[Attached] = []
    ancestors = []
    for index, ref in enumerate(spec.target_refs):
        at = f"spec.targetRefs[{index}]"
        reference = Reference(group=ref.group, kind=ref.kind, name=ref.name)
        wrong = _target(world, policy, ref.group, ref.kind, ref.name, "", at)
        ancestors.append(_ancestor(reference, MESH_CONTROLLER, wrong))
        if wrong is None:
            found.append(
                Attached(
                    policy=policy,
                    target=(policy.namespace, ref.name),
                    section="",
                    field="retry_budget",
                    value=_budget(spec),
                )
            )
    return found, Status(source=policy, parents=tuple(ancestors))


def _budget(spec: XBackendTrafficPolicy) -> RetryBudget | None:
    constraint = spec.retry_constraint
    if constraint is None:
        return None
    count = constraint.min_retry_rate.count
    return RetryBudget.model_construct(
        percent=float(constraint.budget.percent),
        min_retry_concurrency=_MIN_CONCURRENCY if count is None else count,
        budget_interval_ns=nanoseconds(constraint.budget.interval),
    )


def _rules(world: World, attached: Sequence[Attached]) -> Iterator[Rule]:
    by_target: dict[tuple[str, str], list[Attached]] = {}
    for each in attached:
        by_target.setdefault(each.target, []).append(each)
    for namespace, name in sorted(by_target):
        group = by_target[namespace, name]
        whole: dict[str, Any] = {}
        ports: dict[str, Any] = {}
        for each in group:
            if each.section:
                ports.setdefault(each.section, each.value)
            elif each.value is not None:
                whole.setdefault(each.field, each.value)
        if ports:
            numbers = _numbers(world, namespace, name)
            whole["port_level_settings"] = tuple(
                PortTrafficPolicy.model_construct(
                    port=PortSelector.model_construct(number=numbers.get(section, 0)), tls=tls
                )
                for section, tls in sorted(ports.items())
            )
        parents = tuple(
            dict.fromkeys(
                f"{each.policy.kind}/{each.policy.namespace}.{each.policy.name}" for each in group
            )
        )
        yield Rule(
            namespace=namespace,
            name=f"{name}~istio-autogenerated-k8s-gateway",
            parents=parents,
            source=group[0].policy,
            spec=DestinationRule.model_construct(
                host=_host(world, namespace, name),
                traffic_policy=TrafficPolicy.model_construct(**whole),
            ),
        )


def _numbers(world: World, namespace: str, name: str) -> dict[str, int]:
    service = world.named("Service", namespace, name)
    return {each.name: each.port for each in service.spec.ports} if service is not None else {}


def _host(world: World, namespace: str, name: str) -> str:
    entry = world.named("ServiceEntry", namespace, name)
    if entry is not None and world.named("Service", namespace, name) is None:
        return str(entry.spec.hosts[0])
    return names.service_host(name, namespace)
