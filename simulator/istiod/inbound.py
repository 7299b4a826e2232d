"""The ports of a workload that its sidecar receives for.

Follows   istio pilot/pkg/networking/core/listener_inbound.go (buildInboundChainConfigs)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from simulator.config.istio import ServerTLSSettings
from simulator.config.objects import Object
from simulator.istiod import protocol
from simulator.istiod.protocol import Protocol
from simulator.istiod.registry import Port, Service
from simulator.istiod.scope import Scope
from simulator.istiod.service import UNSPECIFIED
from simulator.istiod.targets import targets

_LOCALHOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundPort:
    """One port of the workload, however many services lead there."""

    number: int
    """The workload's own port."""
    service_port: int
    protocol: Protocol
    host: str
    """For traces: of the service that comes first."""
    services: tuple[Service, ...]
    endpoint: tuple[str, int] | None = None
    """Where to go on to; None for where the connection was sent."""
    bind: str = UNSPECIFIED
    tls: ServerTLSSettings | None = None
    """TLS that ends here, where it is not the mesh's own."""
    source: Object | None = None
    at: str = ""


def inbound_ports(scope: Scope) -> list[InboundPort]:
    """Return the ports, by number; a Sidecar's `ingress` replaces what the services say."""
    sidecar = scope.sidecar
    if sidecar is not None and sidecar.spec.ingress:
        found = {each.number: each for each in reversed(list(_declared(scope, sidecar)))}
    else:
        found = _served(scope)
    return [found[number] for number in sorted(found)]


def _served(scope: Scope) -> dict[int, InboundPort]:
    by_port: dict[int, list[tuple[Service, Port]]] = {}
    for each in targets(scope.mesh, scope.pod):
        by_port.setdefault(each.number, []).append((each.service, each.port))
    return {number: _port(number, found) for number, found in by_port.items()}


def _port(number: int, targets: list[tuple[Service, Port]]) -> InboundPort:
    service, port = targets[0]
    at = ""
    if service.source is not None:
        at = f"spec.ports[{service.ports.index(port)}]"
    return InboundPort(
        number=number,
        service_port=port.number,
        protocol=port.protocol,
        host=service.hostname,
        services=tuple(each for each, _ in targets),
        source=service.source,
        at=at,
    )


def _declared(scope: Scope, sidecar: Object) -> Iterator[InboundPort]:
    served = _served(scope)
    for index, listener in enumerate(sidecar.spec.ingress):
        number = listener.port.number
        known = served.get(number)
        yield InboundPort(
            number=number,
            service_port=number,
            protocol=protocol.parse(listener.port.protocol),
            host=f"{sidecar.name}.{sidecar.namespace}",
            services=known.services[:1] if known is not None else (),
            endpoint=_endpoint(listener.default_endpoint or "", scope.pod.ip),
            bind=listener.bind or scope.pod.ip,
            tls=listener.tls,
            source=sidecar,
            at=f"spec.ingress[{index}]",
        )


def _endpoint(text: str, ip: str) -> tuple[str, int] | None:
    host, _, port = text.rpartition(":")
    if not port.isdecimal():
        return None
    if host == UNSPECIFIED:
        # Istio's word for the pod's own address.
        return ip, int(port)
    # Without a host, too, the connection goes where it was meant to go.
    return (host, int(port)) if host else None
