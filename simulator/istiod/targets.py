"""Which ports of a pod the services before it lead to.

Follows   istio pilot/pkg/model/context.go (ServiceTargets)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from simulator.istiod.protocol import Protocol
from simulator.istiod.registry import Mesh, Pod, Port, Service
from simulator.istiod.services import selects


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One port of a service, and the pod's port that it leads to."""

    service: Service
    port: Port
    number: int


def targets(mesh: Mesh, pod: Pod) -> Iterator[Target]:
    """Yield every port of every service that leads to the pod, oldest service first."""
    for service in mesh.registered:
        if not _before(service, pod):
            continue
        for port in service.ports:
            number = _number(service, port, pod)
            if number and port.protocol is not Protocol.UDP:
                yield Target(service=service, port=port, number=number)


def _before(service: Service, pod: Pod) -> bool:
    if service.kubernetes:
        return service.namespace == pod.namespace and selects(service.selector, pod.labels)
    return any(each.address == pod.ip for each in service.endpoints)


def _number(service: Service, port: Port, pod: Pod) -> int:
    if service.kubernetes:
        return port.target(pod.named_ports)
    matching = (each.port for each in service.endpoints_of(port) if each.address == pod.ip)
    return next(matching, 0)
