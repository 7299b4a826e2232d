"""Write the listener of a sidecar that receives for its workload.

Each port has a chain for each way that clients may come: with the mesh's own TLS or
without, with a protocol that was announced or detected.

Models    envoy.config.listener.v3.Listener
Follows   istio pilot/pkg/networking/core/listener_inbound.go, filterchain_options.go
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from simulator.config.istio import MeshConfig
from simulator.istiod import names, retry, route
from simulator.istiod.admission import behind, http_admission, tcp_admission
from simulator.istiod.authn import tls
from simulator.istiod.authn.peers import Mode, PeerModes
from simulator.istiod.http_chain import (
    PLAINTEXT_HTTP,
    inbound_manager,
    listener_filter,
    to_cluster,
)
from simulator.istiod.inbound import InboundPort
from simulator.istiod.listeners import black_hole
from simulator.istiod.part import Part, address, duration, wrapped
from simulator.istiod.scope import Scope
from simulator.istiod.service import UNSPECIFIED
from simulator.istiod.telemetry import listener_logs
from simulator.istiod.tls import server_socket

INBOUND_PORT = 15006
VIRTUAL_INBOUND = "virtualInbound"
_MESH_HTTP = ["istio-http/1.0", "istio-http/1.1", "istio-h2"]
_MESH_TCP = ["istio-peer-exchange", "istio"]
_MESH = ["istio", "istio-peer-exchange", *_MESH_HTTP]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """A way for clients to come."""

    http: bool
    tls: bool = False
    """With TLS on the wire."""
    ended: bool = False
    """The TLS is the mesh's own and ends here."""
    alpn: list[str] = field(default_factory=list)


_PLAIN_HTTP = _Way(http=True)
_DETECTED_HTTP = _Way(http=True, alpn=PLAINTEXT_HTTP)
_PLAIN_TCP = _Way(http=False)
_FOREIGN_TLS = _Way(http=False, tls=True)
_WAYS: dict[tuple[str, Mode], list[_Way]] = {
    ("http", "STRICT"): [_Way(http=True, tls=True, ended=True)],
    ("http", "PERMISSIVE"): [_Way(http=True, tls=True, ended=True, alpn=_MESH), _PLAIN_HTTP],
    ("http", "DISABLE"): [_PLAIN_HTTP],
    ("tcp", "STRICT"): [_Way(http=False, tls=True, ended=True)],
    ("tcp", "PERMISSIVE"): [
        _Way(http=False, tls=True, ended=True, alpn=_MESH),
        _FOREIGN_TLS,
        _PLAIN_TCP,
    ],
    ("tcp", "DISABLE"): [_PLAIN_TCP],
    ("auto", "STRICT"): [
        _Way(http=True, tls=True, ended=True, alpn=_MESH_HTTP),
        _Way(http=False, tls=True, ended=True),
    ],
    ("auto", "PERMISSIVE"): [
        _Way(http=True, tls=True, ended=True, alpn=_MESH_HTTP),
        _DETECTED_HTTP,
        _Way(http=False, tls=True, ended=True, alpn=_MESH_TCP),
        _PLAIN_TCP,
        _FOREIGN_TLS,
    ],
    ("auto", "DISABLE"): [_DETECTED_HTTP, _PLAIN_TCP],
}


def virtual_inbound(scope: Scope, ports: list[InboundPort], modes: PeerModes) -> Part:
    """Return the listener that gets all connections to the workload."""
    part = Part(
        value={
            "name": VIRTUAL_INBOUND,
            "address": address(UNSPECIFIED, INBOUND_PORT),
            "traffic_direction": "INBOUND",
            "continue_on_listener_filters_timeout": True,
            "max_connections_to_accept_per_socket_event": wrapped(1),
            "listener_filters_timeout": duration(scope.mesh.config.protocol_detection_timeout_ns),
            "access_log": listener_logs(scope.mesh, scope.pod, "SERVER"),
        }
    )
    chains = _Chains(scope)
    own_port = black_hole(scope, VIRTUAL_INBOUND, INBOUND_PORT, "SERVER")
    parts = [own_port, *_passthrough(chains, ports, modes)]
    for each in ports:
        parts.extend(_of_port(chains, each, modes))
    part.list("filter_chains", parts)
    part.value["listener_filters"] = [listener_filter("original_dst"), *_inspectors(parts)]
    return part


class _Chains:
    """Builds chains that let in by the same policies."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self._http = http_admission(scope)
        self._tcp = tcp_admission(scope)
        self._behind_http = list(behind(scope, self._http))
        self._behind_tcp = list(behind(scope, self._tcp))

    def manager(self, stat_prefix: str, routes: dict[str, Any], *, http2: bool) -> dict[str, Any]:
        return inbound_manager(self.scope, stat_prefix, routes, self._http, http2=http2)

    def filters(self, cluster: str) -> list[dict[str, Any]]:
        return [*self._tcp, to_cluster(self.scope, cluster, "SERVER")]

    def part(self, name: str, port: int, way: _Way, filters: list[dict[str, Any]]) -> Part:
        match: dict[str, Any] = {"transport_protocol": "tls" if way.tls else "raw_buffer"}
        if port:
            match["destination_port"] = wrapped(port)
        if way.alpn:
            match["application_protocols"] = way.alpn
        value = {"name": name, "filter_chain_match": match, "filters": filters}
        if way.ended:
            config = self.scope.mesh.config
            value["transport_socket"] = tls.downstream(config, http=way.http)
        part = Part(value=value)
        for path, source, place in self._behind_http if way.http else self._behind_tcp:
            before = "filters[0].typed_config.http_filters" if way.http else "filters"
            part.note(f"{before}{path}", source, place)
        return part


def _inspectors(chains: Iterable[Part]) -> list[dict[str, Any]]:
    """Return the filters that look at first bytes, each only where a chain asks for it."""
    tls_at: dict[int, bool] = {}
    http_at: dict[int, bool] = {}
    for chain in chains:
        match = chain.value["filter_chain_match"]
        port = match.get("destination_port", wrapped(0))["value"]
        tls_at[port] = tls_at.get(port, False) or match.get("transport_protocol") == "tls"
        detected = match.get("application_protocols") == PLAINTEXT_HTTP
        http_at[port] = http_at.get(port, False) or detected
    inspectors = (("tls_inspector", tls_at), ("http_inspector", http_at))
    return [_inspector(name, needed) for name, needed in inspectors if any(needed.values())]


def _inspector(name: str, needed: dict[int, bool]) -> dict[str, Any]:
    """Return a filter that is off at some ports; port 0 stands for all others."""
    elsewhere = needed[0]
    unlike = [port for port in sorted(needed) if port and needed[port] != elsewhere]
    ranges: list[dict[str, Any]] = [
        {"destination_port_range": {"start": port, "end": port + 1}} for port in unlike
    ]
    if not ranges:
        return listener_filter(name)
    these = ranges[0] if len(ranges) == 1 else {"or_match": {"rules": ranges}}
    return listener_filter(name, these if elsewhere else {"not_match": these})


def _passthrough(chains: _Chains, ports: list[InboundPort], modes: PeerModes) -> list[Part]:
    """Return the chains for ports that no service speaks of."""
    known = {each.number for each in ports}
    own = [0, *(port for port in sorted(modes.by_port) if port not in known)]
    cluster = names.INBOUND_PASSTHROUGH
    again = retry.inbound(chains.scope.mesh.config.default_inbound_http_retry_policy)
    routes = _route_config(cluster, 0, route.operation("", 0, "/*"), again)
    found = []
    for port in own:
        for way in _WAYS["auto", modes.of(port)]:
            if way.http:
                stat_prefix = names.stat_prefix(cluster)
                filters = [chains.manager(stat_prefix, routes, http2=False)]
                name = f"{VIRTUAL_INBOUND}-catchall-http"
            else:
                filters, name = chains.filters(cluster), VIRTUAL_INBOUND
            part = chains.part(name, port, way, filters)
            part.note("", modes.source, "spec")
            found.append(part)
    return found


def _of_port(chains: _Chains, port: InboundPort, modes: PeerModes) -> list[Part]:
    """Return the port's chains."""
    name = names.listener(port.bind, port.number)
    mode = modes.of(port.number)
    # The mesh's own TLS and another one cannot both end here.
    settings = port.tls if mode == "DISABLE" else None
    inside = port.protocol if settings is None else port.protocol.inside_tls
    kind = "auto" if inside.sniffed else "http" if inside.http else "tcp"
    ways = [_Way(http=kind == "http", tls=True)] if settings is not None else _WAYS[kind, mode]
    found = []
    for way in ways:
        if way.http:
            stat_prefix = names.stat_prefix(f"inbound_{name}")
            routes = inbound_routes(chains.scope.mesh.config, port)
            filters = [chains.manager(stat_prefix, routes, http2=inside.http2)]
        else:
            filters = chains.filters(names.inbound(port.number))
        part = chains.part(name, port.number, way, filters)
        if settings is not None:
            part.value["transport_socket"] = server_socket(settings, opaque=not way.http)
        part.note("", port.source, port.at)
        part.note("transport_socket", modes.source if way.ended else None, "spec")
        found.append(part)
    return found


def inbound_routes(mesh: MeshConfig, port: InboundPort) -> dict[str, Any]:
    """Return the route configuration inside an inbound chain."""
    operation = route.operation(port.host, port.service_port, "/*")
    grpc = port.protocol.value.startswith("GRPC")
    again = None if grpc else retry.inbound(mesh.default_inbound_http_retry_policy)
    return _route_config(names.inbound(port.number), port.service_port, operation, again)


def _route_config(
    cluster: str, port: int, operation: str, again: dict[str, Any] | None
) -> dict[str, Any]:
    only = route.default_route(cluster, operation).value
    never = duration(0)
    action: dict[str, Any] = {
        "cluster": cluster,
        "timeout": never,
        "max_stream_duration": {
            "max_stream_duration": never,
            "grpc_timeout_header_max": never,
        },
    }
    if again is not None:
        action["retry_policy"] = again
    only["route"] = action
    virtual_host = {"name": f"inbound|http|{port}", "domains": ["*"], "routes": [only]}
    return {
        "name": cluster,
        "virtual_hosts": [virtual_host],
        "validate_clusters": wrapped(value=False),
    }
