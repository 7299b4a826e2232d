"""What several kinds have in common: exports, selectors, target references.

Follows   istio pkg/config/validation/validation.go (validateExportTo, validateWorkloadSelector,
          validatePolicyTargetReference)
"""

from __future__ import annotations

from typing import Protocol

from simulator.config.istio import PolicyTargetReference, WorkloadMatcher, WorkloadSelector
from simulator.istiod.validation import syntax
from simulator.istiod.validation.fault import Fault, Faults

_TARGETS = frozenset(
    {
        ("", "Service"),
        ("core", "Service"),
        ("networking.istio.io", "ServiceEntry"),
        ("gateway.networking.k8s.io", "Gateway"),
        ("gateway.networking.k8s.io", "GatewayClass"),
    }
)


def export_to(
    exported: tuple[str, ...], namespace: str, *, nobody: bool = False, selects: bool = False
) -> Faults:
    """Check `exportTo`; `nobody` allows `~`, `selects` (a workload selector) only `.`."""
    seen: set[str] = set()
    for at, each in enumerate(exported):
        place = f"spec.exportTo[{at}]"
        home = namespace if each == "." else each
        if home in seen:
            yield Fault(place, f"'{each}' names a namespace that stands here already")
        elif home == "*" or (home == "~" and nobody) or syntax.is_label(home):
            seen.add(home)
        else:
            yield Fault(place, f"'{each}' is no namespace; `.` is this one, `*` is all")
    if selects and seen and seen != {namespace}:
        yield Fault("spec.exportTo", "a rule for selected workloads holds in its namespace alone")
    if len(exported) > 1 and seen & {"*", "~"}:
        yield Fault("spec.exportTo", "`*` and `~` stand alone")


def selector(chosen: WorkloadSelector | WorkloadMatcher | None, at: str) -> Faults:
    """Check a selector: wildcards and empty names are refused, no labels at all are warned of."""
    if chosen is None:
        return
    labels = chosen.labels if isinstance(chosen, WorkloadSelector) else chosen.match_labels
    for key, value in labels.items():
        if not key:
            yield Fault(at, "a label needs a name")
        elif "*" in key + value:
            yield Fault(at, f"labels take no wildcard, as in {key}: {value}")
    if not labels:
        yield Fault(at, "it has no labels, so it selects every workload", warning=True)


class Targeted(Protocol):
    """A policy for workloads by label, or for objects by name."""

    @property
    def selector(self) -> WorkloadMatcher | None: ...  # noqa: D102

    @property
    def target_refs(self) -> tuple[PolicyTargetReference, ...]: ...  # noqa: D102


def target(policy: Targeted) -> Faults:
    """Check what a policy is for."""
    single: PolicyTargetReference | None = getattr(policy, "target_ref", None)
    written = [policy.selector is not None, single is not None, bool(policy.target_refs)]
    if sum(written) > 1:
        yield Fault("spec", "only one of `selector` and `targetRefs` may be set")
    yield from selector(policy.selector, "spec.selector")
    if single is not None:
        yield from _reference(single, "spec.targetRef")
    for at, each in enumerate(policy.target_refs):
        yield from _reference(each, f"spec.targetRefs[{at}]")


def _reference(reference: PolicyTargetReference, at: str) -> Faults:
    if (reference.group, reference.kind) not in _TARGETS:
        yield Fault(
            at,
            f"a {reference.kind} of the group '{reference.group}' is no target; Services, "
            "ServiceEntries, Gateways and GatewayClasses are",
        )
