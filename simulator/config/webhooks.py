"""How a cluster is extended: webhooks and kinds of one's own, as far as Istio's are checked.

Follows   kubernetes api admissionregistration/v1, apiextensions/v1
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from simulator.config.kubernetes import Kubernetes
from simulator.config.model import Text


class Requirement(Kubernetes):
    """One of a selector's expressions."""

    key: Text
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[Text, ...] = ()


class Selector(Kubernetes):
    """Labels that a webhook asks for."""

    match_labels: dict[str, Text] = Field(default_factory=dict)
    match_expressions: tuple[Requirement, ...] = ()

    def selects(self, labels: dict[str, str]) -> bool:
        """Say whether labels have all that is asked for; nothing asked is had by all."""
        if not self.match_labels.items() <= labels.items():
            return False
        return all(_holds(each, labels.get(each.key)) for each in self.match_expressions)


def _holds(requirement: Requirement, value: str | None) -> bool:
    if requirement.operator == "In":
        return value in requirement.values
    if requirement.operator == "NotIn":
        return value not in requirement.values
    return (value is not None) == (requirement.operator == "Exists")


class ServiceReference(Kubernetes):
    """A Service that answers a webhook's calls."""

    also = "path port"

    name: Text
    namespace: Text


class ClientConfig(Kubernetes):
    """Where a webhook's calls go."""

    also = "caBundle"

    url: Text = ""
    service: ServiceReference | None = None


class Webhook(Kubernetes):
    """One webhook."""

    also = (
        "admissionReviewVersions failurePolicy matchConditions matchPolicy reinvocationPolicy "
        "rules sideEffects timeoutSeconds"
    )

    name: Text
    client_config: ClientConfig
    namespace_selector: Selector = Selector()
    object_selector: Selector = Selector()


class WebhookConfiguration(Kubernetes):
    """Webhooks that are asked before an object comes to be."""

    webhooks: tuple[Webhook, ...] = ()


class KindNames(Kubernetes):
    """What a kind is called."""

    also = "categories listKind plural shortNames singular"

    kind: Text


class CustomResourceDefinition(Kubernetes):
    """A kind that is not Kubernetes' own."""

    also = "conversion preserveUnknownFields scope versions"

    group: Text
    names: KindNames
