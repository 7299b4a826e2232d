"""Deploy gateways as istiod does: a Deployment and a Service for each managed one.

Follows   istio pilot/pkg/config/kube/gatewaycommon/deploymentcontroller.go,
          manifests/charts/istio-control/istio-discovery/files/kube-gateway.yaml
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from simulator.config.kinds import KUBERNETES_GATEWAY
from simulator.config.kubernetes import (
    Container,
    ContainerPort,
    Deployment,
    Pod,
    PodTemplate,
    Service,
    ServicePort,
    TemplateMetadata,
)
from simulator.config.objects import Manifests, Object
from simulator.istiod.gateway_api.classes import controllers, deployed_name, managed

GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"
_TEMPLATES = "inject.istio.io/templates"
_STATUS_PORT = 15021


def deployed(manifests: Manifests) -> Manifests:
    """Return the manifests with what istiod deploys for their Gateways."""
    added = list(_deployed(manifests))
    if not added:
        return manifests
    first = len(manifests.objects)
    numbered = (replace(each, index=first + at) for at, each in enumerate(added))
    return replace(manifests, objects=(*manifests.objects, *numbered))


def _deployed(manifests: Manifests) -> Iterator[Object]:
    known = controllers(manifests)
    written = {(each.kind, each.namespace, each.name) for each in manifests.objects}
    for source in manifests.of(KUBERNETES_GATEWAY):
        controller = known.get(source.spec.gateway_class_name)
        if controller is None or not controller.programmed or not managed(source.spec):
            continue
        name = deployed_name(source, controller)
        numbers = _ports(manifests, source)
        for kind, version, spec in (
            ("Deployment", "apps/v1", _deployment(source, name, numbers)),
            ("Service", "v1", _service(source, numbers)),
        ):
            if (kind, source.namespace, name) not in written:
                yield Object(
                    kind=kind,
                    api_version=version,
                    name=name,
                    namespace=source.namespace,
                    labels={GATEWAY_NAME: source.name},
                    spec=spec,
                    created=source.created,
                    index=0,
                    positions=source.positions,
                )


def _ports(manifests: Manifests, source: Object) -> dict[int, str]:
    """Return the ports of a gateway's listeners, with the protocol of each."""
    listeners = list(source.spec.listeners)
    for each in manifests.of("ListenerSet"):
        parent = each.spec.parent_ref
        if (parent.name, parent.namespace or each.namespace) == (source.name, source.namespace):
            listeners += each.spec.listeners
    return {each.port: each.protocol.lower() for each in listeners if each.protocol != "UDP"}


def _labels(source: Object, name: str) -> dict[str, str]:
    extra = source.spec.infrastructure.labels if source.spec.infrastructure is not None else {}
    return {
        **extra,
        GATEWAY_NAME: source.name,
        "service.istio.io/canonical-name": name,
        "service.istio.io/canonical-revision": "latest",
    }


def _deployment(source: Object, name: str, numbers: dict[int, str]) -> Deployment:
    ports = tuple(
        ContainerPort.model_construct(container_port=each) for each in (_STATUS_PORT, *numbers)
    )
    container = Container.model_construct(name="istio-proxy", ports=ports)
    account = source.annotations.get("gateway.istio.io/service-account", name)
    metadata = TemplateMetadata.model_construct(
        labels=_labels(source, name), annotations={_TEMPLATES: "gateway"}
    )
    pod = Pod.model_construct(containers=(container,), service_account_name=account)
    return Deployment.model_construct(
        template=PodTemplate.model_construct(metadata=metadata, spec=pod)
    )


def _service(source: Object, numbers: dict[int, str]) -> Service:
    def port(name: str, number: int) -> ServicePort:
        return ServicePort.model_construct(name=name, port=number, target_port=number)

    ports = [port("status-port", _STATUS_PORT)]
    ports += [port(f"{protocol}-{number}", number) for number, protocol in numbers.items()]
    address: dict[str, Any] = {}
    if source.spec.addresses and source.spec.addresses[0].value:
        address["cluster_ip"] = source.spec.addresses[0].value
    return Service.model_construct(
        type="LoadBalancer",
        selector={GATEWAY_NAME: source.name},
        ports=tuple(ports),
        **address,
    )
