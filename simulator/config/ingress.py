"""The Ingress as written: Kubernetes' first way into a cluster.

Follows   kubernetes api networking/v1
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from simulator.config.kubernetes import Kubernetes
from simulator.config.model import PortNumber, Text, only_one, refusal


class ServiceBackendPort(Kubernetes):
    """A Service's port, by name or by number."""

    name: Text = ""
    number: PortNumber | None = None

    by = only_one("name", "number")


class IngressServiceBackend(Kubernetes):
    """A Service that requests go to."""

    name: Text
    port: ServiceBackendPort = ServiceBackendPort()


class IngressBackend(Kubernetes):
    """Where requests go; nothing but Services is simulated."""

    also = "resource"

    service: IngressServiceBackend | None = None


class HTTPIngressPath(Kubernetes):
    """Requests with a path."""

    path: Text = ""
    path_type: Literal["Exact", "Prefix", "ImplementationSpecific"]
    backend: IngressBackend

    @model_validator(mode="after")
    def _absolute(self) -> HTTPIngressPath:
        if self.path_type != "ImplementationSpecific" and not self.path.startswith("/"):
            raise refusal("a path begins with /", "path")
        return self


class HTTPIngressRuleValue(Kubernetes):
    """The paths of a host."""

    paths: tuple[HTTPIngressPath, ...] = Field(min_length=1)


class IngressRule(Kubernetes):
    """What a host answers; every host if none is named."""

    host: Text = ""
    http: HTTPIngressRuleValue | None = None


class IngressTLS(Kubernetes):
    """The certificate of some hosts."""

    hosts: tuple[Text, ...] = ()
    secret_name: Text = ""


class Ingress(Kubernetes):
    """Which requests from outside reach which Service."""

    ingress_class_name: Text = ""
    default_backend: IngressBackend | None = None
    tls: tuple[IngressTLS, ...] = ()
    rules: tuple[IngressRule, ...] = ()
