"""Write the listeners of a sidecar that receive for its workload, and the two that capture.

Models    envoy.config.listener.v3.Listener
Follows   istio pilot/pkg/networking/core/listener_builder.go, listener_inbound.go
Leaves    TLS on the way in (docs/fidelity.md#auto-mtls)
"""

from __future__ import annotations

from typing import Any

from simulator.istiod import names, retry, route
from simulator.istiod.http_chain import (
    PLAINTEXT_HTTP,
    inbound_manager,
    listener_filter,
    to_cluster,
)
from simulator.istiod.inbound import InboundPort
from simulator.istiod.part import Part, address, duration, wrapped
from simulator.istiod.scope import Scope
from simulator.istiod.service import UNSPECIFIED

OUTBOUND_PORT = 15001
INBOUND_PORT = 15006
VIRTUAL_OUTBOUND = "virtualOutbound"
VIRTUAL_INBOUND = "virtualInbound"


def catch_all_cluster(scope: Scope) -> str:
    """Return where traffic goes that the mesh does not know."""
    return names.PASSTHROUGH if scope.allow_any else names.BLACK_HOLE


def virtual_outbound(scope: Scope) -> Part:
    """Return the listener that gets all outgoing connections and hands them on by address."""
    part = Part(
        value={
            "name": VIRTUAL_OUTBOUND,
            "address": address(UNSPECIFIED, OUTBOUND_PORT),
            "use_original_dst": wrapped(value=True),
            "traffic_direction": "OUTBOUND",
        }
    )
    catch_all = Part(
        value={
            "name": f"{VIRTUAL_OUTBOUND}-catchall-tcp",
            "filters": [to_cluster(catch_all_cluster(scope))],
        }
    )
    if scope.sidecar is not None:
        catch_all.note("", scope.sidecar, "spec.outboundTrafficPolicy")
    part.list("filter_chains", [_black_hole(VIRTUAL_OUTBOUND, OUTBOUND_PORT), catch_all])
    return part


def _black_hole(listener: str, port: int) -> Part:
    """Return the chain for connections to the listener's own port, which would loop for ever."""
    return Part(
        value={
            "name": f"{listener}-blackhole",
            "filter_chain_match": {"destination_port": wrapped(port)},
            "filters": [to_cluster(names.BLACK_HOLE)],
        }
    )


def virtual_inbound(ports: list[InboundPort]) -> Part:
    """Return the listener that gets all connections to the workload."""
    part = Part(
        value={
            "name": VIRTUAL_INBOUND,
            "address": address(UNSPECIFIED, INBOUND_PORT),
            "traffic_direction": "INBOUND",
            "continue_on_listener_filters_timeout": True,
            "max_connections_to_accept_per_socket_event": wrapped(1),
            "listener_filters_timeout": duration(0),
        }
    )
    chains = [_black_hole(VIRTUAL_INBOUND, INBOUND_PORT), *_passthrough()]
    for each in ports:
        chains.extend(_chains(each))
    part.list("filter_chains", chains)
    part.value["listener_filters"] = [listener_filter("original_dst"), _inspector(ports)]
    return part


def _inspector(ports: list[InboundPort]) -> dict[str, Any]:
    known = [INBOUND_PORT, *(each.number for each in ports if not each.protocol.sniffed)]
    ranges: list[dict[str, Any]] = [
        {"destination_port_range": {"start": port, "end": port + 1}} for port in sorted(known)
    ]
    disabled = ranges[0] if len(ranges) == 1 else {"or_match": {"rules": ranges}}
    return listener_filter("http_inspector", disabled)


def _passthrough() -> list[Part]:
    cluster = names.INBOUND_PASSTHROUGH
    routes = _route_config(cluster, 0, route.operation("", 0, "/*"))
    http = Part(
        value={
            "name": f"{VIRTUAL_INBOUND}-catchall-http",
            "filter_chain_match": _detected(http=True),
            "filters": [inbound_manager(names.stat_prefix(cluster), routes, http2=False)],
        }
    )
    tcp = Part(
        value={
            "name": VIRTUAL_INBOUND,
            "filter_chain_match": _detected(http=False),
            "filters": [to_cluster(cluster)],
        }
    )
    return [http, tcp]


def _detected(*, http: bool) -> dict[str, Any]:
    match: dict[str, Any] = {"transport_protocol": "raw_buffer"}
    if http:
        match["application_protocols"] = PLAINTEXT_HTTP
    return match


def _chains(port: InboundPort) -> list[Part]:
    """Return the port's chain; both an HTTP and a TCP one where the protocol is detected."""
    name = names.listener(port.bind, port.number)
    base = {"destination_port": wrapped(port.number), "transport_protocol": "raw_buffer"}
    found = []
    if port.protocol.http_or_sniffed:
        match = {**base, **(_detected(http=True) if port.protocol.sniffed else {})}
        manager = inbound_manager(
            names.stat_prefix(f"inbound_{name}"),
            inbound_routes(port),
            http2=port.protocol.http2,
        )
        found.append(Part(value={"filter_chain_match": match, "filters": [manager]}))
    if not port.protocol.http:
        filters = [to_cluster(names.inbound(port.number))]
        found.append(Part(value={"filter_chain_match": base, "filters": filters}))
    for chain in found:
        chain.value["name"] = name
        chain.note("", port.source, port.at)
    return found


def inbound_routes(port: InboundPort) -> dict[str, Any]:
    """Return the route configuration inside an inbound chain."""
    operation = route.operation(port.host, port.service_port, "/*")
    grpc = port.protocol.value.startswith("GRPC")
    return _route_config(names.inbound(port.number), port.service_port, operation, retry_=not grpc)


def _route_config(
    cluster: str, port: int, operation: str, *, retry_: bool = True
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
    if retry_:
        action["retry_policy"] = retry.inbound()
    only["route"] = action
    virtual_host = {"name": f"inbound|http|{port}", "domains": ["*"], "routes": [only]}
    return {
        "name": cluster,
        "virtual_hosts": [virtual_host],
        "validate_clusters": wrapped(value=False),
    }
