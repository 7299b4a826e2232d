"""Gateways as written: their class, their listeners, and listeners added from outside.

Follows   gateway-api apis/v1/{gatewayclass,gateway,listenerset}_types.go
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from simulator.config.gateway_api.values import (
    GROUP,
    ControllerName,
    Group,
    Hostname,
    Kind,
    LabelSelector,
    LocalObjectReference,
    Name,
    Namespace,
    ObjectReference,
    PortNumber,
    Protocol,
    SecretObjectReference,
    SectionName,
)
from simulator.config.model import Spec, Text

_LONGEST_LABEL = 63


def _label_value(text: str) -> str:
    if len(text) > _LONGEST_LABEL:
        message = "a label's value is too long: it may have no more than 63 characters"
        raise PydanticCustomError("form", message)
    if text and re.fullmatch(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]", text) is None:
        raise PydanticCustomError("form", "expected a label's value, got '{got}'", {"got": text})
    return text


LabelValue = Annotated[Text, AfterValidator(_label_value)]
AnnotationValue = Annotated[Text, Field(max_length=4096)]


class GatewayClass(Spec):
    """Which controller looks after a class of gateways."""

    controller_name: ControllerName
    parameters_ref: ObjectReference | None = None
    description: Annotated[Text, Field(max_length=64)] | None = None


class RouteGroupKind(Spec):
    """A kind of route."""

    group: Group = GROUP
    kind: Kind


class RouteNamespaces(Spec):
    """The namespaces whose routes may attach."""

    from_: Literal["All", "Selector", "Same", "None"] = "Same"
    selector: LabelSelector | None = None


class AllowedRoutes(Spec):
    """Which routes may attach to a listener."""

    namespaces: RouteNamespaces = RouteNamespaces()
    kinds: tuple[RouteGroupKind, ...] = Field(default=(), max_length=8)


class ListenerTLSConfig(Spec):
    """How a listener speaks TLS."""

    mode: Literal["Terminate", "Passthrough"] = "Terminate"
    certificate_refs: tuple[SecretObjectReference, ...] = Field(default=(), max_length=64)
    options: dict[str, AnnotationValue] = Field(default_factory=dict, max_length=16)


class Listener(Spec):
    """A port that a gateway opens for some host names."""

    name: SectionName
    hostname: Hostname | None = None
    port: PortNumber
    protocol: Protocol
    tls: ListenerTLSConfig | None = None
    allowed_routes: AllowedRoutes = AllowedRoutes()


class GatewayAddress(Spec):
    """An address that is asked for."""

    type: Name = "IPAddress"
    value: Annotated[Text, Field(max_length=253)] | None = None


class GatewayInfrastructure(Spec):
    """What the resources made for a gateway bear."""

    labels: dict[str, LabelValue] = Field(default_factory=dict, max_length=8)
    annotations: dict[str, AnnotationValue] = Field(default_factory=dict, max_length=16)
    parameters_ref: LocalObjectReference | None = None


class ListenerNamespaces(Spec):
    """The namespaces whose ListenerSets may attach."""

    from_: Literal["All", "Selector", "Same", "None"] = "None"
    selector: LabelSelector | None = None


class AllowedListeners(Spec):
    """Which ListenerSets may attach."""

    namespaces: ListenerNamespaces = ListenerNamespaces()


class FrontendTLSValidation(Spec):
    """How clients' certificates are checked."""

    ca_certificate_refs: tuple[ObjectReference, ...] = Field(
        min_length=1, max_length=16, alias="caCertificateRefs"
    )
    mode: Literal["AllowValidOnly", "AllowInsecureFallback"] = "AllowValidOnly"


class TLSConfig(Spec):
    """TLS towards clients."""

    validation: FrontendTLSValidation | None = None


class TLSPortConfig(Spec):
    """TLS towards the clients of one port."""

    port: PortNumber
    tls: TLSConfig


class FrontendTLSConfig(Spec):
    """TLS towards clients, by port."""

    default: TLSConfig
    per_port: tuple[TLSPortConfig, ...] = Field(default=(), max_length=64)


class GatewayBackendTLS(Spec):
    """TLS towards backends."""

    client_certificate_ref: SecretObjectReference | None = None


class GatewayTLSConfig(Spec):
    """TLS of the whole gateway."""

    backend: GatewayBackendTLS | None = None
    frontend: FrontendTLSConfig | None = None


class Gateway(Spec):
    """A load balancer: ports, host names, certificates."""

    gateway_class_name: Name
    listeners: tuple[Listener, ...] = Field(min_length=1, max_length=64)
    addresses: tuple[GatewayAddress, ...] = Field(default=(), max_length=16)
    infrastructure: GatewayInfrastructure | None = None
    allowed_listeners: AllowedListeners | None = None
    tls: GatewayTLSConfig | None = None
    default_scope: Literal["All", "None"] | None = None


class ParentGatewayReference(Spec):
    """The Gateway that gets a ListenerSet's listeners."""

    group: Group = GROUP
    kind: Kind = "Gateway"
    name: Name
    namespace: Namespace | None = None


class ListenerSet(Spec):
    """Listeners that are added to a Gateway."""

    parent_ref: ParentGatewayReference
    listeners: tuple[Listener, ...] = Field(min_length=1, max_length=64)
