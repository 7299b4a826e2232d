"""Where everything of one sandbox listens: one 127.N.0.0/16 for each sandbox.

A pod has three addresses: its proxy's outbound side, its proxy's inbound side and
its workload; a proxy has one more for each service address that it listens on.
Ports stay as they are, but for those below 1024, which need privileges: they are
moved up by 61000, beyond the range that the kernel takes for outgoing connections.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

_PRIVILEGED = 1024
_SHIFT = 61_000

CLAIM_HOST = "255.254"
"""The last bytes of the address by whose binding a sandbox claims its /16."""
_NOWHERE_HOST = "255.253"


class PodLike(Protocol):
    """What is asked of a pod: the shape of `simulator.istiod.registry.Pod`."""

    @property
    def ref(self) -> str:
        """Return `POD.NAMESPACE`."""

    @property
    def ip(self) -> str:
        """Return the address in the mesh."""

    @property
    def sidecar(self) -> bool:
        """Say whether a proxy runs beside the workload."""

    @property
    def gateway(self) -> bool:
        """Say whether the pod is a proxy alone."""


def carried(port: int) -> int:
    """Return the port that stands for `port` on loopback."""
    return port + _SHIFT if port < _PRIVILEGED else port


def meant(port: int) -> int:
    """Return the mesh's port behind a loopback port."""
    return port - _SHIFT if _SHIFT <= port < _SHIFT + _PRIVILEGED else port


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The loopback addresses of one pod."""

    outbound: str
    inbound: str
    workload: str


class Loopback:
    """All addresses of one sandbox: given in order of demand, so equal for equal demands."""

    def __init__(self, slot: int, pods: Iterable[PodLike]) -> None:
        assert 1 <= slot <= 254, "127.0/16 belongs to the machine, 127.255/16 to broadcasts"
        self._slot = slot
        self._given = 0
        self._vips: dict[tuple[str, str], str] = {}
        self._places: dict[str, Place] = {}
        self._entries: dict[str, str] = {}
        self._owners: dict[str, str] = {}
        self._pods: dict[str, str] = {}
        for pod in pods:
            place = Place(outbound=self._next(), inbound=self._next(), workload=self._next())
            self._places[pod.ref] = place
            self._entries[pod.ip] = (
                place.outbound if pod.gateway else place.inbound if pod.sidecar else place.workload
            )
            for address in (place.outbound, place.inbound, place.workload):
                self._owners[address] = pod.ip
                self._pods[address] = pod.ref

    @property
    def claim(self) -> str:
        """Return the address whose binding claims the whole block."""
        return f"127.{self._slot}.{CLAIM_HOST}"

    @property
    def nowhere(self) -> str:
        """Return an address on which nothing ever listens."""
        return f"127.{self._slot}.{_NOWHERE_HOST}"

    def place(self, pod: str) -> Place:
        """Return the addresses of the pod `POD.NAMESPACE`."""
        return self._places[pod]

    def entry(self, ip: str) -> str | None:
        """Return where a connection to a pod's mesh address arrives, None for no pod's address."""
        return self._entries.get(ip)

    def vip(self, pod: str, ip: str) -> str:
        """Return where a proxy listens for a service address."""
        key = (pod, ip)
        if key not in self._vips:
            self._vips[key] = self._next()
        return self._vips[key]

    def owner(self, address: str) -> str | None:
        """Return the pod, `POD.NAMESPACE`, that a loopback `ip:port` belongs to."""
        return self._pods.get(address.rpartition(":")[0])

    def mesh_address(self, address: str) -> str:
        """Return `ip:port` as the mesh names it for a pod's loopback `ip:port`."""
        host, _, port = address.rpartition(":")
        owner = self._owners.get(host)
        return f"{owner}:{meant(int(port))}" if owner is not None else address

    def _next(self) -> str:
        self._given += 1
        assert self._given < 65_000, "the block of one sandbox is full"
        return f"127.{self._slot}.{self._given >> 8}.{self._given & 255}"
