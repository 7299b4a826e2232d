"""What a resource applies to: workloads by label, or objects by name.

Follows   istio.io/api type/v1beta1/selector.proto, networking/v1alpha3/sidecar.proto
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from simulator.config.model import Spec, Text, refusal

_GROUP = r"^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
_KIND = r"^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$"


def _plain(text: str) -> str:
    if "*" in text:
        raise refusal("labels take no wildcard")
    return text


def _named(labels: dict[str, str]) -> dict[str, str]:
    for name in labels:
        if not name:
            raise refusal("a label needs a name")
        _plain(name)
    return labels


LabelValue = Annotated[Text, Field(max_length=63), AfterValidator(_plain)]
MatchLabels = Annotated[dict[str, LabelValue], Field(max_length=4096), AfterValidator(_named)]


class WorkloadSelector(Spec):
    """Labels that choose pods and WorkloadEntries, in the networking API."""

    labels: Annotated[dict[str, LabelValue], Field(max_length=256)] = Field(default_factory=dict)


class WorkloadMatcher(Spec):
    """Labels that choose workloads, in all other APIs."""

    match_labels: MatchLabels = Field(default_factory=dict)


def _here(namespace: str) -> str:
    if namespace:
        raise refusal("an object of another namespace cannot be referred to")
    return namespace


class PolicyTargetReference(Spec):
    """The object that a policy is for."""

    group: Annotated[Text, Field(max_length=253, pattern=_GROUP)] = ""
    kind: Annotated[Text, Field(min_length=1, max_length=63, pattern=_KIND)]
    name: Annotated[Text, Field(min_length=1, max_length=253)]
    namespace: Annotated[Text, AfterValidator(_here)] = ""


TargetRefs = Annotated[tuple[PolicyTargetReference, ...], Field(max_length=16)]
