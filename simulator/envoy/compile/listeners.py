"""Compile listeners and their filter chains.

Models    envoy.config.listener.v3.{Listener, FilterChain, FilterChainMatch}
Follows   envoy/source/common/listener_manager/{listener_impl,filter_chain_manager_impl}.cc
Leaves    the filter chain matcher API, UDP, PROXY protocol (docs/fidelity.md#listener-options)
"""

from __future__ import annotations

from itertools import product
from typing import Any

from simulator.envoy.chain_match import Candidate, ChainMatch
from simulator.envoy.compile.access_log import access_logs
from simulator.envoy.compile.fields import is_address, networks
from simulator.envoy.compile.http import http_chain, is_http
from simulator.envoy.compile.network_filters import TCP, network_filter, tcp_chain
from simulator.envoy.compile.transport import server_tls
from simulator.envoy.http import HttpChain
from simulator.envoy.listener import EVERY_PORT, NO_PORT, FilterChain, Listener, Ports
from simulator.envoy.network_filter_config import NetworkFilter
from simulator.envoy.rejected import Scope
from simulator.envoy.tcp import TcpChain
from simulator.envoy_api import name_of, unpack

_INSPECTORS = ("envoy.extensions.filters.listener.", "envoy.extensions.filters.udp.")
_LISTENER = """
    name address filter_chains use_original_dst default_filter_chain listener_filters
    listener_filters_timeout continue_on_listener_filters_timeout traffic_direction bind_to_port
    connection_balance_config access_log stat_prefix per_connection_buffer_limit_bytes
    drain_type transparent freebind socket_options tcp_fast_open_queue_length reuse_port
    enable_reuse_port tcp_backlog_size ignore_global_conn_limit metadata bypass_overload_manager
    additional_addresses max_connections_to_accept_per_socket_event
"""
_CHAIN = (
    "filter_chain_match filters transport_socket metadata name transport_socket_connect_timeout"
)
_MATCH = """
    destination_port prefix_ranges server_names transport_protocol application_protocols
    direct_source_prefix_ranges source_type source_prefix_ranges source_ports
"""
_LISTENER_FILTERS_TIMEOUT_NS = 15_000_000_000
_SOURCE_TYPES = ("ANY", "SAME_IP_OR_LOOPBACK", "EXTERNAL")


def listener(message: Any, scope: Scope) -> Listener:  # noqa: ANN401 - protobuf
    """Compile a Listener."""
    scope.only(message, _LISTENER)
    address = message.address.socket_address
    if message.address.WhichOneof("address") != "socket_address":
        scope.skip("address", "only socket addresses are modelled")
    elif not address.resolver_name and not is_address(address.address):
        where = scope.at("address").at("socket_address").at("address")
        raise where.reject(f"malformed IP address: {address.address}")
    candidates = tuple(
        _candidate(one, at, scope.at("filter_chains", at))
        for at, one in enumerate(message.filter_chains)
    )
    if not message.HasField("filter_chain_matcher"):
        _refuse_twins(candidates, message.name, scope)
        _refuse_overlaps(candidates, message.name, scope)
    default = None
    if message.HasField("default_filter_chain"):
        default = _chain(message.default_filter_chain, -1, scope.at("default_filter_chain"))
    if address.protocol:
        scope.skip("address", "a listener for UDP takes no connections")
    elif not candidates and default is None:
        raise scope.reject(
            f"error adding listener '{address.address}:{address.port_value}': "
            "no filter chains specified"
        )
    inspectors = _inspectors(message, scope)
    bind = message.deprecated_v1.bind_to_port if message.HasField("deprecated_v1") else None
    return Listener(
        name=message.name,
        address=address.address,
        port=int(address.port_value),
        bind_to_port=_on(message.bind_to_port, message.HasField("bind_to_port"), bind),
        use_original_dst=(
            message.use_original_dst.value or any("original_dst" in one for one in inspectors)
        ),
        hands_off=bool(message.use_original_dst.value),
        traffic_direction=("UNSPECIFIED", "INBOUND", "OUTBOUND")[message.traffic_direction],
        candidates=candidates,
        default_chain=default,
        inspects_tls=_ports(message, "tls_inspector", scope),
        inspects_http=_ports(message, "http_inspector", scope),
        filters_timeout_ns=_listener_filters_timeout(message),
        filters_may_fail=bool(message.continue_on_listener_filters_timeout),
        field=scope.ref,
        access_logs=access_logs(message.access_log, scope),
        stat_prefix=message.stat_prefix,
        diagnostics=tuple(scope.found),
    )


def _on(wrapper: Any, given: bool, deprecated: Any) -> bool:  # noqa: ANN401, FBT001 - protobuf
    if given:
        return bool(wrapper.value)
    return deprecated is None or bool(deprecated.value)


def _inspectors(message: Any, scope: Scope) -> list[str]:  # noqa: ANN401 - protobuf
    found = []
    for at, one in enumerate(message.listener_filters):
        inner = scope.at("listener_filters", at)
        kind = one.typed_config.type_url.rpartition("/")[2]
        if not kind.startswith(_INSPECTORS):
            raise inner.reject(
                f"Didn't find a registered implementation for '{one.name}' with type URL: '{kind}'"
            )
        if not any(word in kind for word in ("tls_inspector", "http_inspector", "original_dst")):
            inner.skip("", f"the listener filter {one.name} does nothing")
        found.append(kind)
    return found


def _listener_filters_timeout(message: Any) -> int:  # noqa: ANN401 - protobuf
    if not message.HasField("listener_filters_timeout"):
        return _LISTENER_FILTERS_TIMEOUT_NS
    return int(message.listener_filters_timeout.ToNanoseconds())


def _ports(message: Any, inspector: str, scope: Scope) -> Ports:  # noqa: ANN401 - protobuf
    """Return the ports at which an inspector looks."""
    for at, one in enumerate(message.listener_filters):
        if inspector not in one.typed_config.type_url:
            continue
        if not one.HasField("filter_disabled"):
            return EVERY_PORT
        inner = scope.at("listener_filters", at).at("filter_disabled")
        ranges, inverted = _ranges(one.filter_disabled, inner)
        return Ports(ranges=ranges, inverted=not inverted)
    return NO_PORT


def _ranges(predicate: Any, scope: Scope) -> tuple[tuple[tuple[int, int], ...], bool]:  # noqa: ANN401
    """Return ranges of ports, and whether all others are meant instead."""
    kind = predicate.WhichOneof("rule")
    if kind == "destination_port_range":
        reach = predicate.destination_port_range
        return ((int(reach.start), int(reach.end)),), False
    if kind == "not_match":
        ranges, inverted = _ranges(predicate.not_match, scope)
        return ranges, not inverted
    if kind == "or_match":
        found = [_ranges(each, scope) for each in predicate.or_match.rules]
        if not any(inverted for _, inverted in found):
            return tuple(one for ranges, _ in found for one in ranges), False
    if kind == "any_match":
        return (), bool(predicate.any_match)
    scope.skip("", "the listener filter looks at every connection")
    return (), False


def _candidate(message: Any, index: int, scope: Scope) -> Candidate[FilterChain]:  # noqa: ANN401
    match = _match(message.filter_chain_match, scope.at("filter_chain_match"))
    return Candidate(match, _chain(message, index, scope))


def _match(message: Any, scope: Scope) -> ChainMatch:  # noqa: ANN401 - protobuf
    scope.only(message, _MATCH)
    for name in message.server_names:
        if name == "*" or ("*" in name and not name.startswith("*.")):
            raise scope.at("server_names").reject(
                'error adding listener: partial wildcards are not supported in "server_names"'
            )
    port = message.destination_port
    return ChainMatch(
        destination_port=int(port.value) if message.HasField("destination_port") else None,
        prefix_ranges=networks(message.prefix_ranges, scope),
        server_names=tuple(name.lower() for name in message.server_names),
        transport_protocol=message.transport_protocol,
        application_protocols=tuple(message.application_protocols),
        direct_source_prefix_ranges=networks(message.direct_source_prefix_ranges, scope),
        source_type=_SOURCE_TYPES[message.source_type],
        source_prefix_ranges=networks(message.source_prefix_ranges, scope),
        source_ports=tuple(int(one) for one in message.source_ports),
    )


def _refuse_twins(candidates: tuple[Candidate[FilterChain], ...], name: str, scope: Scope) -> None:
    seen: dict[ChainMatch, FilterChain] = {}
    for one in candidates:
        earlier = seen.setdefault(one.match, one.chain)
        if earlier is not one.chain:
            raise scope.at("filter_chains", one.chain.index).reject(
                f"error adding listener '{name}': filter chain '{one.chain.name}' has the same "
                f"matching rules defined as '{earlier.name}'"
            )


def _refuse_overlaps(
    candidates: tuple[Candidate[FilterChain], ...], name: str, scope: Scope
) -> None:
    """Refuse chains of which one way to match is the same, were it twice of one chain."""
    seen: set[tuple[Any, ...]] = set()
    for one in candidates:
        match = one.match
        ways = product(
            (match.destination_port,),
            match.prefix_ranges or (None,),
            match.server_names or ("",),
            (match.transport_protocol,),
            match.application_protocols or ("",),
            match.direct_source_prefix_ranges or (None,),
            (match.source_type,),
            match.source_prefix_ranges or (None,),
            match.source_ports or (0,),
        )
        for way in ways:
            if way in seen:
                raise scope.at("filter_chains", one.chain.index).reject(
                    f"error adding listener '{name}': multiple filter chains with overlapping "
                    "matching rules are defined"
                )
            seen.add(way)


def _chain(message: Any, index: int, scope: Scope) -> FilterChain:  # noqa: ANN401 - protobuf
    scope.only(message, _CHAIN)
    http: HttpChain | None = None
    tcp: TcpChain | None = None
    before: list[NetworkFilter] = []
    server = server_tls(message.transport_socket, scope.at("transport_socket"))
    tls = server is not None
    for at, one in enumerate(message.filters):
        inner = scope.at("filters", at).at("typed_config")
        try:
            config = unpack(one.typed_config)
        except KeyError:
            kind = one.typed_config.type_url.rpartition("/")[2]
            raise inner.reject(
                f"Didn't find a registered implementation for '{one.name}' with type URL: '{kind}'"
            ) from None
        if is_http(config):
            http = http_chain(config, tuple(before), inner, message.name)
        elif name_of(config) == TCP:
            tcp = tcp_chain(config, tuple(before), inner, tls=tls, name=message.name)
        elif (found := network_filter(one.name, config, inner)) is not None:
            before.append(found)
    return FilterChain(
        name=message.name,
        index=index,
        field=scope.ref,
        http=http,
        tcp=tcp,
        tls=server,
    )
