"""Where the parts of a running mesh are to be found: on loopback, or where the mesh says.

A mesh names its parts by pod addresses and service addresses. Where connections are
intercepted these hold as they are; where they are not, all is carried over to loopback.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Protocol, TypeAlias

from sandbox.drivers.loopback import Loopback, PodLike, carried
from sandbox.drivers.rebind import Bound, Rebound, moved_to, rebind
from sandbox.errors import Unsupported
from simulator.envoy_api import Resources
from simulator.istiod.addresses import PODS

Place: TypeAlias = tuple[str, int]
"""An address and a port."""


class Addressing(Protocol):
    """How a driver carries the addresses of one mesh."""

    def carry(self, resources: Resources, pod: PodLike) -> Rebound:
        """Return what the proxy of a pod is sent."""

    def captured(self, listeners: Sequence[Bound], address: str, port: int, what: str) -> Place:
        """Return where a client with those listeners connects for an address of the mesh.

        Raises Unsupported, naming `what`, for a connection that only interception could take.
        """

    def direct(self, address: str, port: int) -> Place:
        """Return where a client without a proxy connects for the address of a pod."""

    def listens(self, pod: str, port: int) -> Place:
        """Return where the workload of a pod (`POD.NAMESPACE`) listens."""

    def owner(self, address: str) -> str | None:
        """Return the pod, `POD.NAMESPACE`, that `ip:port` belongs to."""

    def mesh_address(self, address: str) -> str:
        """Return `ip:port` as the mesh names it."""


class Explicit:
    """Nothing is intercepted: each part has loopback addresses of its own."""

    def __init__(self, slot: int, pods: Iterable[PodLike]) -> None:
        self._loopback = Loopback(slot, pods)

    def carry(self, resources: Resources, pod: PodLike) -> Rebound:
        """Return the resources with their addresses on loopback."""
        return rebind(resources, pod.ref, self._loopback, gateway=pod.gateway)

    def captured(self, listeners: Sequence[Bound], address: str, port: int, what: str) -> Place:
        """Return where the listener for an address is bound instead."""
        for wanted in (address, "0.0.0.0"):
            for each in listeners:
                if each.direction == "outbound" and (each.address, each.port) == (wanted, port):
                    return each.at, each.at_port
        why = f"no listener of the sidecar serves {address}:{port} but the one for passthrough"
        raise Unsupported(what, why)

    def direct(self, address: str, port: int) -> Place:
        """Return where a pod is entered; an address that is no pod's leads nowhere."""
        return self._loopback.entry(address) or self._loopback.nowhere, carried(port)

    def listens(self, pod: str, port: int) -> Place:
        """Return the workload's own address."""
        return self._loopback.place(pod).workload, carried(port)

    def owner(self, address: str) -> str | None:
        """Return the pod that a loopback `ip:port` belongs to."""
        return self._loopback.owner(address)

    def mesh_address(self, address: str) -> str:
        """Return `ip:port` as the mesh names it for a pod's loopback `ip:port`."""
        return self._loopback.mesh_address(address)


class Transparent:
    """Connections are intercepted: addresses are the mesh's own.

    Where its pods' network is taken, they are those of another `network`, pod by pod.
    """

    def __init__(self, pods: Iterable[PodLike], network: IPv4Network = PODS) -> None:
        self.network = network
        self._shift = int(network.network_address) - int(PODS.network_address)
        self._owners = {pod.ip: pod.ref for pod in pods}

    def address(self, meant: str) -> str:
        """Return the address that stands for one of the mesh."""
        if not self._shift or IPv4Address(meant) not in PODS:
            return meant
        return str(IPv4Address(meant) + self._shift)

    def carry(self, resources: Resources, pod: PodLike) -> Rebound:  # noqa: ARG002
        """Return the resources, the addresses of pods moved where they have to be."""
        moved = moved_to(resources, self.address) if self._shift else resources
        return Rebound(resources=moved, listeners=(), refused={})

    def captured(self, listeners: Sequence[Bound], address: str, port: int, what: str) -> Place:  # noqa: ARG002
        """Return the address: the connection is handed to the client's proxy on its way."""
        return self.address(address), port

    def direct(self, address: str, port: int) -> Place:
        """Return the address."""
        return self.address(address), port

    def listens(self, pod: str, port: int) -> Place:  # noqa: ARG002
        """Return every address of the pod, as a container does."""
        return "0.0.0.0", port

    def owner(self, address: str) -> str | None:
        """Return the pod of an `ip:port`."""
        return self._owners.get(self.mesh_address(address).rpartition(":")[0])

    def mesh_address(self, address: str) -> str:
        """Return `ip:port` as the mesh names it."""
        host, _, port = address.rpartition(":")
        if not self._shift or IPv4Address(host) not in self.network:
            return address
        return f"{IPv4Address(host) - self._shift}:{port}"
