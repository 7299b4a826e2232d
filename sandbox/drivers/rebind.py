"""Carry a pod's xDS resources over to loopback, where nothing is intercepted.

In a mesh, iptables hands every connection to one listener, which looks up its
original destination. Without privileges each listener is bound where its
connections go instead: changed are bind addresses, the original destination and
the addresses of endpoints and of the own workload. All else stays as it is, byte
for byte. What lives by the original destination alone cannot be carried: it is
left out, or leads nowhere, and is named in `Rebound.refused`.

Models    envoy.config.listener.v3.Listener, envoy.config.cluster.v3.Cluster,
          envoy.config.endpoint.v3.ClusterLoadAssignment
Follows   istio pilot/pkg/networking/core/{listener_builder,listener_inbound,cluster_builder}.go
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from sandbox.drivers.loopback import Loopback, carried
from simulator.envoy_api import Resources, message

_ANY = ("0.0.0.0", "::")
_ORIGINAL_DST = "envoy.filters.listener.original_dst"
_CAPTURE_PORTS = (15001, 15006)
_NO_DESTINATION = "it sends each connection to where it was going, known only by interception"
_BEYOND = "it leads beyond the mesh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One listener of a proxy: where clients of the mesh, and where we, connect."""

    name: str
    direction: str
    """`outbound`, `inbound` or `gateway`"""
    address: str
    """As the mesh has it; `0.0.0.0` takes every address."""
    port: int
    at: str
    at_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebound:
    """Resources as a proxy on loopback can use them."""

    resources: Resources
    listeners: tuple[Bound, ...]
    refused: dict[str, str]
    """By listener or cluster name, why it cannot be carried."""


def rebind(resources: Resources, pod: str, loopback: Loopback, *, gateway: bool = False) -> Rebound:
    """Return the resources of `pod` (`POD.NAMESPACE`) with their addresses on loopback."""
    carrier = _Carrier(pod, loopback, gateway=gateway)
    listeners = tuple(each for one in resources.listeners for each in carrier.listener(one))
    return Rebound(
        resources=Resources(
            listeners=listeners,
            routes=resources.routes,
            clusters=tuple(carrier.cluster(each) for each in resources.clusters),
            endpoints=tuple(carrier.assignment(each) for each in resources.endpoints),
            secrets=resources.secrets,
        ),
        listeners=tuple(carrier.bound),
        refused=carrier.refused,
    )


def moved_to(resources: Resources, address: Callable[[str], str]) -> Resources:
    """Return the resources with `address` applied to that of every listener and endpoint."""

    def moved(given: Any) -> Any:  # noqa: ANN401 - made at run time
        twin = _copy(given)
        for socket in _sockets(twin):
            socket.address = address(socket.address)
        return twin

    return replace(
        resources,
        listeners=tuple(moved(each) for each in resources.listeners),
        clusters=tuple(moved(each) for each in resources.clusters),
        endpoints=tuple(moved(each) for each in resources.endpoints),
    )


def _sockets(message_: Any) -> Iterator[Any]:  # noqa: ANN401
    if message_.DESCRIPTOR.full_name == "envoy.config.core.v3.SocketAddress":
        yield message_
        return
    for field, value in message_.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for each in value if field.is_repeated else (value,):
            yield from _sockets(each)


class _Carrier:
    def __init__(self, pod: str, loopback: Loopback, *, gateway: bool) -> None:
        self._pod = pod
        self._loopback = loopback
        self._place = loopback.place(pod)
        self._gateway = gateway
        self.bound: list[Bound] = []
        self.refused: dict[str, str] = {}

    def listener(self, given: Any) -> Iterator[Any]:  # noqa: ANN401 - made at run time
        listener = _copy(given)
        if not _captures(listener):
            yield self._plain(listener)
        elif listener.traffic_direction == _inbound_direction():
            yield from self._inbound(listener)
        else:
            self.refused[listener.name] = _NO_DESTINATION

    def _plain(self, listener: Any) -> Any:  # noqa: ANN401
        socket = listener.address.socket_address
        wanted, port = socket.address, socket.port_value
        at = self._place.outbound if wanted in _ANY else self._loopback.vip(self._pod, wanted)
        socket.address, socket.port_value = at, carried(port)
        listener.ClearField("bind_to_port")
        _match_carried_ports(listener)
        direction = "gateway" if self._gateway else "outbound"
        self._note(listener.name, direction, wanted, port, at)
        return listener

    def _inbound(self, listener: Any) -> Iterator[Any]:  # noqa: ANN401
        ports = sorted(
            {
                chain.filter_chain_match.destination_port.value
                for chain in listener.filter_chains
                if chain.filter_chain_match.HasField("destination_port")
            }
            - {*_CAPTURE_PORTS}
        )
        if not ports:
            self.refused[listener.name] = _NO_DESTINATION
            return
        listener.ClearField("use_original_dst")
        listener.ClearField("bind_to_port")
        kept = [each for each in listener.listener_filters if each.name != _ORIGINAL_DST]
        del listener.listener_filters[:]
        listener.listener_filters.extend(kept)
        _match_carried_ports(listener)
        socket = listener.address.socket_address
        socket.address, socket.port_value = self._place.inbound, carried(ports[0])
        for port in ports[1:]:
            more = listener.additional_addresses.add().address.socket_address
            more.address, more.port_value = self._place.inbound, carried(port)
        for port in ports:
            self._note(listener.name, "inbound", "0.0.0.0", port, self._place.inbound)
        yield listener

    def _note(self, name: str, direction: str, address: str, port: int, at: str) -> None:
        self.bound.append(
            Bound(
                name=name,
                direction=direction,
                address="0.0.0.0" if address in _ANY else address,
                port=port,
                at=at,
                at_port=carried(port),
            )
        )

    def cluster(self, given: Any) -> Any:  # noqa: ANN401
        kinds = _enum("envoy.config.cluster.v3.Cluster.DiscoveryType")
        if given.type == kinds["ORIGINAL_DST"]:
            return self._original_dst(given)
        if not given.HasField("load_assignment"):
            return given
        cluster = _copy(given)
        if cluster.type in (kinds["STRICT_DNS"], kinds["LOGICAL_DNS"]):
            cluster.type = kinds["STATIC"]  # no name is ever looked up
        self._endpoints(cluster.load_assignment, cluster.name)
        return cluster

    def _original_dst(self, given: Any) -> Any:  # noqa: ANN401
        direction, _, rest = given.name.partition("|")
        port = rest.partition("|")[0]
        if direction != "inbound" or not port.isdigit():
            self.refused[given.name] = _NO_DESTINATION
            return given
        cluster = _copy(given)
        cluster.type = _enum("envoy.config.cluster.v3.Cluster.DiscoveryType")["STATIC"]
        cluster.lb_policy = _enum("envoy.config.cluster.v3.Cluster.LbPolicy")["ROUND_ROBIN"]
        cluster.load_assignment.cluster_name = cluster.name
        endpoint = cluster.load_assignment.endpoints.add().lb_endpoints.add().endpoint
        socket = endpoint.address.socket_address
        socket.address, socket.port_value = self._place.workload, carried(int(port))
        return cluster

    def assignment(self, given: Any) -> Any:  # noqa: ANN401
        assignment = _copy(given)
        self._endpoints(assignment, assignment.cluster_name)
        return assignment

    def _endpoints(self, assignment: Any, cluster: str) -> None:  # noqa: ANN401
        for locality in assignment.endpoints:
            for each in locality.lb_endpoints:
                socket = each.endpoint.address.socket_address
                entry = self._own(cluster, socket.address) or self._loopback.entry(socket.address)
                if entry is None:
                    self.refused[cluster] = _BEYOND
                    entry = self._loopback.nowhere
                socket.address, socket.port_value = entry, carried(socket.port_value)

    def _own(self, cluster: str, address: str) -> str | None:
        """Return the workload's address where an inbound cluster names the pod's own."""
        local = address.startswith("127.") or address in _ANY or cluster.startswith("inbound|")
        return self._place.workload if local else None


def _captures(listener: Any) -> bool:  # noqa: ANN401
    return bool(listener.use_original_dst.value) or any(
        each.name == _ORIGINAL_DST for each in listener.listener_filters
    )


def _match_carried_ports(listener: Any) -> None:  # noqa: ANN401
    chains = [*listener.filter_chains]
    if listener.HasField("default_filter_chain"):
        chains.append(listener.default_filter_chain)
    for chain in chains:
        match = chain.filter_chain_match
        if chain.HasField("filter_chain_match") and match.HasField("destination_port"):
            match.destination_port.value = carried(match.destination_port.value)
    for each in listener.listener_filters:
        if each.HasField("filter_disabled"):
            _carry_predicate(each.filter_disabled)


def _carry_predicate(predicate: Any) -> None:  # noqa: ANN401
    kind = predicate.WhichOneof("rule")
    if kind == "destination_port_range":
        reach = predicate.destination_port_range
        width = reach.end - reach.start
        reach.start = carried(reach.start)
        reach.end = reach.start + width
    elif kind == "not_match":
        _carry_predicate(predicate.not_match)
    elif kind in ("or_match", "and_match"):
        for each in getattr(predicate, kind).rules:
            _carry_predicate(each)


def _enum(name: str) -> dict[str, int]:
    owner, _, last = name.rpartition(".")
    enum = message(owner).DESCRIPTOR.enum_types_by_name[last]
    return {value.name: value.number for value in enum.values}


def _inbound_direction() -> int:
    listener = message("envoy.config.listener.v3.Listener").DESCRIPTOR
    enum = listener.fields_by_name["traffic_direction"].enum_type
    return int(enum.values_by_name["INBOUND"].number)


def _copy(value: Any) -> Any:  # noqa: ANN401
    twin = type(value)()
    twin.CopyFrom(value)
    return twin
