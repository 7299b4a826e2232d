"""What the mesh knows of a service, whoever declared it.

Follows   istio pilot/pkg/model/service.go
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum

from simulator.config.objects import Object
from simulator.istiod.protocol import Protocol

UNSPECIFIED = "0.0.0.0"
"""The address of a headless service, and of a ServiceEntry without one."""


class Resolution(Enum):
    """How a proxy finds the service's endpoints."""

    ENDPOINTS = "the control plane sends them"
    DNS = "every address of the name"
    DNS_ROUND_ROBIN = "the name, one address at a time"
    ORIGINAL = "the address that the client connected to"
    ALIAS = "another service's"


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """One port of a service."""

    name: str
    number: int
    target_port: int | str
    """A number, or the name of a container's port."""
    protocol: Protocol

    def target(self, named: dict[str, int] | None = None) -> int:
        """Return the workload's port; the service's own for a name that the workload lacks."""
        if isinstance(self.target_port, int):
            return self.target_port
        return (named or {}).get(self.target_port, 0)


@dataclass(frozen=True, slots=True, order=True)
class Locality:
    """Where a workload runs."""

    region: str = ""
    zone: str = ""
    subzone: str = ""

    @classmethod
    def parse(cls, text: str) -> Locality:
        """Return the locality of `region/zone/subzone`, later parts optional."""
        parts = (text or "").split("/")
        return cls(*parts[:3])


NOWHERE = Locality()
"""The locality of what has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One address behind a service's port."""

    address: str
    port: int
    port_name: str
    labels: dict[str, str] = field(default_factory=dict)
    locality: Locality = NOWHERE
    weight: int = 1
    ready: bool = True
    workload: str = ""
    namespace: str = ""
    service_account: str = ""
    tls: bool = False
    """Whether a proxy beside it takes the mesh's own TLS."""
    source: Object | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service, from a Kubernetes Service or a ServiceEntry's host."""

    hostname: str
    name: str
    namespace: str
    ip: str
    """Its first address, or `0.0.0.0`."""
    addresses: tuple[str, ...] = ()
    """All of them, perhaps with a prefix length."""
    ports: tuple[Port, ...]
    selector: dict[str, str] = field(default_factory=dict)
    resolution: Resolution = Resolution.ENDPOINTS
    kubernetes: bool = True
    external: bool = False
    """A ServiceEntry with `location: MESH_EXTERNAL`."""
    auto_ip: str = ""
    """What istiod allots to a ServiceEntry without an address; for proxies that capture DNS."""
    external_name: str = ""
    """The host that an ExternalName Service stands for."""
    exported_to: frozenset[str] = frozenset()
    labels: dict[str, str] = field(default_factory=dict)
    traffic_distribution: str = ""
    """Its wish for near endpoints, such as `PreferClose`."""
    endpoints: tuple[Endpoint, ...] = ()
    source: Object | None = None
    """None for what stands in the mesh by default."""

    def port(self, number: int) -> Port | None:
        """Return the port of that number."""
        return next((each for each in self.ports if each.number == number), None)

    def endpoints_of(self, port: Port) -> tuple[Endpoint, ...]:
        """Return the endpoints behind one port."""
        return tuple(each for each in self.endpoints if each.port_name == port.name)

    def narrowed(self, number: int) -> Service | None:
        """Return the service with one port alone; None if it lacks the port."""
        found = self.port(number)
        if found is None:
            return None
        return self if len(self.ports) == 1 else replace(self, ports=(found,))

    def listens_at(self, *, dns_capture: bool) -> tuple[str, ...]:
        """Return the addresses that clients connect to, perhaps with a prefix length."""
        if not self.addresses or self.addresses == (UNSPECIFIED,):
            return (self.auto_ip,) if dns_capture and self.auto_ip else (self.ip,)
        return self.addresses


def by_host(services: Iterable[Service]) -> dict[str, Service]:
    """Return the one service of each host, in the order of hosts.

    Kubernetes' own wins, else the first; ServiceEntries alike but for ports are taken together.
    """
    found: dict[str, Service] = {}
    for each in services:
        known = found.get(each.hostname)
        if known is None or (each.kubernetes and not known.kubernetes):
            found[each.hostname] = each
        elif known is not each and known.kubernetes == each.kubernetes:
            found[each.hostname] = _merged(known, each)
    return {host: found[host] for host in sorted(found)}


def _merged(first: Service, second: Service) -> Service:
    alike = all(
        getattr(first, field) == getattr(second, field)
        for field in ("namespace", "resolution", "labels", "selector", "exported_to")
    )
    if not alike:
        return first
    numbers = {port.number for port in first.ports}
    ports = tuple(port for port in second.ports if port.number not in numbers)
    endpoints = tuple(each for each in second.endpoints if each not in first.endpoints)
    return (
        replace(first, ports=first.ports + ports, endpoints=first.endpoints + endpoints)
        if ports or endpoints
        else first
    )
