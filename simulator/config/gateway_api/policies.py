"""What stands beside routes: grants across namespaces, and policies of backends.

Follows   gateway-api apis/v1/{referencegrant,backendtlspolicy}_types.go,
          apisx/v1alpha1/xbackendtrafficpolicy_types.go
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from simulator.config.gateway_api.values import (
    DOMAIN,
    Count,
    GatewayDuration,
    Group,
    Kind,
    LocalObjectReference,
    Name,
    Namespace,
    PreciseHostname,
    SectionName,
    SessionPersistence,
    form,
)
from simulator.config.model import Spec, Text

AltHostname = Annotated[Text, form(rf"(\*\.)?{DOMAIN}", "a host name in lower case", empty=True)]
AltURI = Annotated[
    Text,
    form(
        r"[^:/?#]+://[^/?#]*[^?#]*(\?[^#]*)?(#.*)?",
        "a URI such as spiffe://cluster.local/ns/shop/sa/cart",
        empty=True,
    ),
]
WellKnown = Annotated[
    Text,
    form(
        rf"System|{DOMAIN}/([A-Za-z0-9][-A-Za-z0-9_.]{{0,61}})?[A-Za-z0-9]",
        "System, or a name such as example.com/certificates",
        empty=True,
    ),
]


class ReferenceGrantFrom(Spec):
    """Who may refer."""

    group: Group
    kind: Kind
    namespace: Namespace


class ReferenceGrantTo(Spec):
    """What may be referred to; all of the kind without a name."""

    group: Group
    kind: Kind
    name: Name | None = None


class ReferenceGrant(Spec):
    """What other namespaces may refer to in this one."""

    from_: tuple[ReferenceGrantFrom, ...] = Field(min_length=1, max_length=16)
    to: tuple[ReferenceGrantTo, ...] = Field(min_length=1, max_length=16)


class PolicyTargetReference(LocalObjectReference):
    """What a policy is for: something, perhaps one of its ports."""

    section_name: SectionName | None = None


class SubjectAltName(Spec):
    """A name that the backend's certificate may bear."""

    type: Literal["Hostname", "URI"]
    hostname: AltHostname | None = None
    uri: AltURI | None = None


class BackendTLSPolicyValidation(Spec):
    """How the backend's certificate is checked."""

    ca_certificate_refs: tuple[LocalObjectReference, ...] = Field(
        default=(), max_length=8, alias="caCertificateRefs"
    )
    well_known_ca_certificates: WellKnown | None = Field(
        default=None, alias="wellKnownCACertificates"
    )
    hostname: PreciseHostname
    subject_alt_names: tuple[SubjectAltName, ...] = Field(default=(), max_length=5)


class BackendTLSPolicy(Spec):
    """How proxies speak TLS to some services."""

    target_refs: tuple[PolicyTargetReference, ...] = Field(min_length=1, max_length=16)
    validation: BackendTLSPolicyValidation
    options: dict[str, Text] = Field(default_factory=dict, max_length=16)


class RetryBudget(Spec):
    """Which share of requests may be retries."""

    percent: Annotated[int, Strict(), Field(ge=0, le=100)] = 20
    interval: GatewayDuration = "10s"


class RequestRate(Spec):
    """So many retries in an interval are always let through."""

    count: Count | None = None
    interval: GatewayDuration | None = None


class RetryConstraint(Spec):
    """How many retries a backend gets."""

    budget: RetryBudget = RetryBudget()
    min_retry_rate: RequestRate = RequestRate(count=10, interval="1s")


class XBackendTrafficPolicy(Spec):
    """How some services are called."""

    target_refs: tuple[LocalObjectReference, ...] = Field(min_length=1, max_length=16)
    retry_constraint: RetryConstraint | None = None
    session_persistence: SessionPersistence | None = None
