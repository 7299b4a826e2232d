"""Read Kubernetes Services, EndpointSlices and Endpoints into the registry.

Follows   istio pkg/config/kube, pilot/pkg/serviceregistry/kube/controller
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from simulator.config.istio import MeshConfig
from simulator.config.objects import Manifests, Object
from simulator.istiod import addresses, names, protocol
from simulator.istiod.pod import INGRESS, Pod
from simulator.istiod.protocol import Protocol
from simulator.istiod.service import UNSPECIFIED, Endpoint, Port, Resolution, Service

EXPORT_TO = "networking.istio.io/exportTo"
TRAFFIC_DISTRIBUTION = "networking.istio.io/traffic-distribution"
_SERVICE_NAME = "kubernetes.io/service-name"


def kubernetes_services(
    manifests: Manifests, pods: tuple[Pod, ...], config: MeshConfig, known: Mapping[str, str]
) -> tuple[Service, ...]:
    """Return the Services of the manifests and those that stand in every mesh.

    `known` are addresses given before, by host.
    """
    exported_to = frozenset(config.default_service_export_to)
    declared = [_read(each, exported_to) for each in manifests.of("Service")]
    present = {each.hostname for each in declared}
    services = declared + [each for each in _built_in() if each.hostname not in present]
    free = [each.hostname for each in services if each.ip == ""]
    taken = [each.ip for each in services if each.ip]
    ips = addresses.allot_services(free, known=known, taken=taken)
    slices = _given_endpoints(manifests)
    return tuple(
        _complete(each, ips.get(each.hostname, each.ip), pods, slices.get(each.hostname))
        for each in services
    )


def _read(source: Object, exported_to: frozenset[str]) -> Service:
    spec = source.spec
    ports = tuple(
        Port(
            name=each.name or "",
            number=each.port,
            target_port=_target(each.target_port, each.port),
            protocol=protocol.of_port(
                each.port, each.name or "", each.app_protocol, each.protocol or "TCP"
            ),
        )
        for each in spec.ports or ()
    )
    headless = spec.cluster_ip == "None"
    alias = spec.type == "ExternalName"
    resolution = Resolution.ENDPOINTS
    if alias:
        resolution = Resolution.ALIAS
    elif headless:
        resolution = Resolution.ORIGINAL
    return Service(
        hostname=names.service_host(source.name, source.namespace),
        name=source.name,
        namespace=source.namespace,
        ip=UNSPECIFIED if headless or alias else spec.cluster_ip or "",
        ports=ports,
        selector=dict(spec.selector or {}),
        resolution=resolution,
        external_name=(spec.external_name or "") if alias else "",
        exported_to=_exported(source) or exported_to,
        labels=dict(source.labels),
        traffic_distribution=(
            spec.traffic_distribution or source.annotations.get(TRAFFIC_DISTRIBUTION, "")
        ),
        source=source,
    )


def _exported(source: Object) -> frozenset[str]:
    text = source.annotations.get(EXPORT_TO, "")
    return frozenset(each.strip() for each in text.split(",") if each.strip())


def _target(target: object, port: int) -> int | str:
    if target is None or target == 0:
        return port
    if isinstance(target, int):
        return target
    text = str(target)
    return int(text) if text.isdecimal() else text


def _built_in() -> tuple[Service, ...]:
    return (
        _built(
            INGRESS,
            {"app": INGRESS, "istio": "ingressgateway"},
            (
                Port(name="status-port", number=15021, target_port=15021, protocol=Protocol.AUTO),
                Port(name="http2", number=80, target_port=8080, protocol=Protocol.HTTP2),
                Port(name="https", number=443, target_port=8443, protocol=Protocol.HTTPS),
            ),
        ),
        _built(
            "istiod",
            {"app": "istiod", "istio": "pilot"},
            (
                Port(name="grpc-xds", number=15010, target_port=15010, protocol=Protocol.GRPC),
                Port(name="https-dns", number=15012, target_port=15012, protocol=Protocol.HTTPS),
                Port(name="https-webhook", number=443, target_port=15017, protocol=Protocol.HTTPS),
                Port(
                    name="http-monitoring",
                    number=15014,
                    target_port=15014,
                    protocol=Protocol.HTTP,
                ),
            ),
        ),
    )


def _built(name: str, selector: Mapping[str, str], ports: tuple[Port, ...]) -> Service:
    return Service(
        hostname=names.service_host(name, names.ROOT_NAMESPACE),
        name=name,
        namespace=names.ROOT_NAMESPACE,
        ip="",
        ports=ports,
        selector=dict(selector),
    )


def _complete(
    service: Service, ip: str, pods: tuple[Pod, ...], given: tuple[Endpoint, ...] | None
) -> Service:
    endpoints = given if given is not None else tuple(selected(service, pods))
    return replace(
        service, ip=ip, addresses=() if ip == UNSPECIFIED else (ip,), endpoints=endpoints
    )


def selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Say whether labels have all that a selector names; an empty selector takes none."""
    return bool(selector) and all(labels.get(name) == value for name, value in selector.items())


def selected(service: Service, pods: Iterable[Pod]) -> Iterable[Endpoint]:
    """Yield an endpoint for each port of each pod that the service selects."""
    for pod in pods:
        if pod.namespace != service.namespace or not selects(service.selector, pod.labels):
            continue
        for port in service.ports:
            target = port.target(pod.named_ports)
            if target and port.protocol is not Protocol.UDP:
                yield endpoint_of(pod, port.name, target)


def endpoint_of(pod: Pod, port_name: str, target: int) -> Endpoint:
    """Return a pod as an endpoint."""
    return Endpoint(
        address=pod.ip,
        port=target,
        port_name=port_name,
        labels=pod.labels,
        locality=pod.locality,
        workload=pod.deployment.rpartition(".")[0],
        namespace=pod.namespace,
        service_account=pod.service_account,
        tls=pod.sidecar,
        source=pod.source,
    )


def _given_endpoints(manifests: Manifests) -> dict[str, tuple[Endpoint, ...]]:
    found: dict[str, list[Endpoint]] = {}
    for each in sorted(manifests.of("EndpointSlice"), key=lambda one: (one.namespace, one.name)):
        service = each.labels.get(_SERVICE_NAME)
        if service:
            host = names.service_host(service, each.namespace)
            found.setdefault(host, []).extend(_slice(each))
    for each in manifests.of("Endpoints"):
        found.setdefault(names.service_host(each.name, each.namespace), []).extend(_subsets(each))
    return {host: tuple(endpoints) for host, endpoints in found.items()}


def _slice(source: Object) -> Iterable[Endpoint]:
    spec = source.spec
    for each in spec.endpoints or ():
        conditions = each.conditions
        # Kubernetes has a missing condition mean ready.
        ready = conditions is None or conditions.ready is not False
        for port in spec.ports or ():
            for address in each.addresses or ():
                yield Endpoint(
                    address=address,
                    port=port.port or 0,
                    port_name=port.name or "",
                    ready=ready,
                    namespace=source.namespace,
                    source=source,
                )


def _subsets(source: Object) -> Iterable[Endpoint]:
    for subset in source.spec.subsets or ():
        for port in subset.ports or ():
            for ready, group in ((True, subset.addresses), (False, subset.not_ready_addresses)):
                for each in group or ():
                    yield Endpoint(
                        address=each.ip,
                        port=port.port,
                        port_name=port.name or "",
                        ready=ready,
                        namespace=source.namespace,
                        source=source,
                    )
