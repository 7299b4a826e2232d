"""Read ServiceEntries and WorkloadEntries into the registry.

Follows   istio pilot/pkg/serviceregistry/serviceentry/conversion.go
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

from simulator.config.istio import MeshConfig
from simulator.config.objects import Manifests, Object
from simulator.istiod import addresses, names, protocol
from simulator.istiod.pod import Pod
from simulator.istiod.service import (
    UNSPECIFIED,
    Endpoint,
    Locality,
    Port,
    Resolution,
    Service,
)
from simulator.istiod.services import TRAFFIC_DISTRIBUTION, endpoint_of, selects
from simulator.istiod.virtual_service import age

_RESOLUTIONS = {
    "NONE": Resolution.ORIGINAL,
    "STATIC": Resolution.ENDPOINTS,
    "DNS": Resolution.DNS,
    "DNS_ROUND_ROBIN": Resolution.DNS_ROUND_ROBIN,
}


def service_entries(
    manifests: Manifests, pods: tuple[Pod, ...], config: MeshConfig
) -> tuple[Service, ...]:
    """Return one service for each host of each ServiceEntry, oldest first."""
    workloads = manifests.of("WorkloadEntry")
    exported_to = frozenset(config.default_service_export_to)
    found: list[Service] = []
    for source in sorted(manifests.of("ServiceEntry"), key=age):
        ports = tuple(_ports(source.spec))
        endpoints = tuple(_endpoints(source, ports, pods, workloads))
        found += [
            _service(source, host, ports, endpoints, exported_to) for host in source.spec.hosts
        ]
    allotted = addresses.allot_external(_key(each) for each in found if _wants_address(each))
    return tuple(
        replace(each, auto_ip=allotted[_key(each)]) if _wants_address(each) else each
        for each in found
    )


def _key(service: Service) -> str:
    return f"{service.namespace}/{service.hostname}"


def _wants_address(service: Service) -> bool:
    return (
        service.ip == UNSPECIFIED
        and not names.is_wildcard(service.hostname)
        and service.resolution is not Resolution.ORIGINAL
    )


def _ports(spec: Any) -> Iterator[Port]:  # noqa: ANN401 - a ServiceEntry
    for each in spec.ports or ():
        yield Port(
            name=each.name or "",
            number=each.number,
            target_port=each.target_port or each.number,
            protocol=protocol.parse(each.protocol),
        )


def _service(
    source: Object,
    host: str,
    ports: tuple[Port, ...],
    endpoints: tuple[Endpoint, ...],
    exported_to: frozenset[str],
) -> Service:
    spec = source.spec
    given = tuple(_address(each) for each in spec.addresses)
    resolution = _RESOLUTIONS.get(spec.resolution or "NONE", Resolution.ORIGINAL)
    dns = resolution in {Resolution.DNS, Resolution.DNS_ROUND_ROBIN}
    if dns and not endpoints:
        # The host is its own endpoint.
        endpoints = tuple(
            Endpoint(
                address=host,
                port=each.target(),
                port_name=each.name,
                namespace=source.namespace,
                source=source,
            )
            for each in ports
        )
    return Service(
        hostname=host,
        name=source.name,
        namespace=source.namespace,
        ip=given[0] if given else UNSPECIFIED,
        addresses=given,
        ports=ports,
        resolution=resolution,
        kubernetes=False,
        external=(spec.location or "MESH_EXTERNAL") == "MESH_EXTERNAL",
        selector=dict(spec.workload_selector.labels) if spec.workload_selector else {},
        exported_to=frozenset(spec.export_to) or exported_to,
        labels=dict(source.labels),
        traffic_distribution=source.annotations.get(TRAFFIC_DISTRIBUTION, ""),
        endpoints=endpoints,
        source=source,
    )


def _address(text: str) -> str:
    """Return an address without a prefix length that leaves nothing open."""
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return text
    return str(network.network_address) if network.num_addresses == 1 else text


def _endpoints(
    source: Object, ports: tuple[Port, ...], pods: tuple[Pod, ...], workloads: Iterable[Object]
) -> Iterator[Endpoint]:
    spec = source.spec
    for each in spec.endpoints or ():
        yield from _workload(each, ports, source)
    selector = spec.workload_selector
    if selector is None:
        return
    wanted = dict(selector.labels or {})
    for pod in pods:
        if pod.namespace == source.namespace and selects(wanted, pod.labels):
            for port in ports:
                yield endpoint_of(pod, port.name, port.target(pod.named_ports))
    for entry in sorted(workloads, key=lambda one: one.name):
        labels = dict(entry.spec.labels or {})
        if entry.namespace == source.namespace and selects(wanted, labels):
            yield from _workload(entry.spec, ports, entry)


def _workload(spec: Any, ports: tuple[Port, ...], source: Object) -> Iterator[Endpoint]:  # noqa: ANN401 - a WorkloadEntry
    for port in ports:
        number = (spec.ports or {}).get(port.name) or port.target()
        yield Endpoint(
            address=spec.address or "",
            port=number,
            port_name=port.name,
            labels=dict(spec.labels or {}),
            locality=Locality.parse(spec.locality or ""),
            weight=spec.weight or 1,
            namespace=source.namespace,
            service_account=spec.service_account or "",
            source=source,
        )
