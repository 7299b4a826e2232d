"""Where a client's URL leads: into its own proxy, to a gateway, or straight to a pod.

A client with a sidecar connects to what its DNS says, and iptables send that
connection to the sidecar. A client without one, or beyond the mesh, is on its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

from simulator.envoy.connection import Connection
from simulator.istiod.registry import Mesh, Pod, Service
from simulator.istiod.servers import services_named
from simulator.istiod.service import UNSPECIFIED
from simulator.istiod.validation.syntax import is_address

OUTSIDE = "outside"
OUTBOUND_PORT = 15001
INBOUND_PORT = 15006
_SOMEWHERE = "203.0.113.1"
"""Where hosts live that the mesh has never heard of (an address for documentation)."""
_TOP = "cluster.local"
_DOMAIN = f".svc.{_TOP}"

Place: TypeAlias = tuple[str, int]
"""An address and a port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a client connects to, and what its request says."""

    authority: str
    path: str
    connections: tuple[Connection, ...] = ()
    """Through the client's own proxy; one is drawn, where there are several."""
    addresses: tuple[Place, ...] = ()
    """Without a proxy: one is drawn."""
    error: str = ""
    """Why there is nothing to connect to."""


def resolve(mesh: Mesh, client: Pod | None, url: str, via: str | None = None) -> Target:
    """Return where a request of a pod (`None`: a client beyond the mesh) goes.

    Raises simulator.istiod.registry.UnknownProxyError for an unknown `via`.
    """
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        host = ""
    if not host:
        return Target(
            authority="", path="", error=f"{url!r} is not a URL such as http://reviews:9080/"
        )
    authority = parts.netloc.rpartition("@")[2]
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    places: list[Place] | None
    if via:
        places = _via(mesh, via, port, inside=client is not None)
    elif client is None:
        places = _from_outside(mesh, host, port)
    else:
        places = _look_up(mesh, client, host, port)
    if places is None:
        return Target(authority=authority, path=path, error=f"could not resolve host: {host}")
    if client is not None and client.sidecar:
        connections = tuple(captured(client, address, number) for address, number in places)
        return Target(authority=authority, path=path, connections=connections)
    # Whoever is not captured by a sidecar is sent on by kube-proxy.
    addresses = tuple(each for place in places for each in behind(mesh, *place))
    error = "" if addresses else f"connection refused: nothing serves {host}:{port}"
    return Target(authority=authority, path=path, addresses=addresses, error=error)


def addresses_of(mesh: Mesh, client: Pod | None, name: str) -> tuple[str, ...]:
    """Return what DNS tells a pod (`None`: a client beyond the mesh) of a name."""
    places = _from_outside(mesh, name, 0) if client is None else _look_up(mesh, client, name, 0)
    return tuple(dict.fromkeys(address for address, _ in places or ()))


def captured(client: Pod, address: str, port: int) -> Connection:
    """Return a connection of a pod as iptables hand it to the pod's sidecar."""
    return Connection(
        address=address,
        port=port,
        listener_port=OUTBOUND_PORT,
        alpn=("http/1.1",),
        source_ip=client.ip,
    )


def _via(mesh: Mesh, via: str, port: int, *, inside: bool) -> list[Place]:
    first = mesh.pod(via)
    pods = (first,) if via == first.ref else mesh.pods_of(first.deployment)
    service = _gateway_service(mesh, pods)
    if service is None:
        return [(pod.ip, port) for pod in pods]
    return [(service.ip, port)] if inside else behind(mesh, service.ip, port)


def _from_outside(mesh: Mesh, host: str, port: int) -> list[Place] | None:
    """Return the gateway that a host means: by its own name or address, or by what it serves.

    `None` for a host that no gateway has to do with.
    """
    gateways = [pod for pod in mesh.pods if pod.gateway]
    for pod in gateways:
        if host == pod.ip:
            return [(pod.ip, port)]
        service = _gateway_service(mesh, (pod,))
        if service is not None and (host in _names(service) or host == service.ip):
            return behind(mesh, service.ip, port)
    for gateway in mesh.manifests.of("Gateway"):
        if not any(_serves(one, host) for server in gateway.spec.servers for one in server.hosts):
            continue
        before = services_named(gateway)
        if before is not None:
            named = [mesh.services[each] for each in sorted(before) if each in mesh.services]
            return [place for each in named for place in behind(mesh, each.ip, port)]
        selector = (gateway.spec.selector or {}).items()
        chosen = tuple(pod for pod in gateways if selector <= pod.labels.items())
        service = _gateway_service(mesh, chosen)
        return behind(mesh, service.ip, port) if service else [(p.ip, port) for p in chosen]
    return None


def _look_up(mesh: Mesh, client: Pod, host: str, port: int) -> list[Place] | None:
    """Return what DNS tells a pod of a host; `None` if it does not know the name."""
    if is_address(host):
        return [(host, port)]
    for name in searched(client.namespace, host):
        service = mesh.services.get(name)
        if service is not None and service.external_name:
            return _look_up(mesh, client, service.external_name, port)
        if service is not None and service.ip != UNSPECIFIED:
            return [(service.ip, port)]
        if service is not None and service.endpoints:
            return [(address, port) for address in _addresses(service)]
    if "." not in host or host.endswith(f".{_TOP}"):
        return None
    return [(_SOMEWHERE, port)]


def searched(namespace: str, host: str) -> tuple[str, ...]:
    """Return the names that a pod's resolver tries for a host."""
    return host, f"{host}.{namespace}{_DOMAIN}", f"{host}{_DOMAIN}", f"{host}.{_TOP}"


def _addresses(service: Service) -> list[str]:
    return list(dict.fromkeys(endpoint.address for endpoint in service.endpoints))


def behind(mesh: Mesh, address: str, port: int) -> list[Place]:
    """Return the places that kube-proxy may send a connection to."""
    for service in mesh.services.values():
        if service.ip == address:
            wanted = service.port(port)
            ready = service.endpoints_of(wanted) if wanted else ()
            return [(endpoint.address, endpoint.port) for endpoint in ready]
    return [(address, port)]


def _gateway_service(mesh: Mesh, pods: Sequence[Pod]) -> Service | None:
    """Return the service in front of a gateway's pods."""
    addresses = {pod.ip for pod in pods if pod.gateway}
    for service in mesh.services.values():
        if service.kubernetes and not addresses.isdisjoint(_addresses(service)):
            return service
    return None


def _names(service: Service) -> tuple[str, ...]:
    short = f"{service.name}.{service.namespace}"
    return service.name, short, f"{short}.svc", f"{short}{_DOMAIN}", service.hostname


def _serves(pattern: str, host: str) -> bool:
    name = pattern.rpartition("/")[2]
    return name in ("*", host) or (name.startswith("*.") and host.endswith(name[1:]))
