"""Write the listeners of a sidecar for what its own workload sends.

HTTP services share one listener a port, whose routes go by the host; TCP services,
and those whose protocol is detected, have one of their own at their address. Where
both meet at one address, the listener detects.

Models    envoy.config.listener.v3.Listener
Follows   istio pilot/pkg/networking/core/listener.go (buildSidecarOutboundListeners)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

from simulator.istiod import names
from simulator.istiod.http_chain import (
    PLAINTEXT_HTTP,
    listener_filter,
    outbound_manager,
    to_cluster,
)
from simulator.istiod.listeners import catch_all_cluster
from simulator.istiod.part import Part, address, duration, wrapped
from simulator.istiod.protocol import Protocol, parse
from simulator.istiod.registry import Port, Resolution, Service
from simulator.istiod.scope import Egress, Scope
from simulator.istiod.service import UNSPECIFIED
from simulator.istiod.tcp_routes import tcp_chains
from simulator.istiod.telemetry import listener_logs
from simulator.istiod.validation.syntax import is_address

_LOCALHOST = "127.0.0.1"
_ALONE = frozenset({Protocol.MONGO, Protocol.MYSQL})
"""Never detected beside another protocol: there the server speaks first."""


@dataclass(slots=True, kw_only=True)
class _Entry:
    """A listener under construction."""

    address: str
    port: int
    kind: Protocol
    """Of whoever opened it; `AUTO` once protocols are told apart by what comes first."""
    bound: bool
    """Whether it is a real socket, not one reached by capture."""
    locked: bool = False
    """A Sidecar's own port, which no other service joins."""
    chains: list[Part] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bind:
    """One port of one service, and where to listen for it."""

    service: Service
    port: Port
    address: str
    bound: bool = False
    cidr: str = ""
    """What tells services apart that share the unspecified address."""


@dataclass(slots=True, kw_only=True)
class Outbound:
    """A sidecar's outgoing listeners and the routes that they ask for."""

    listeners: list[Part]
    ports: list[int]
    """Those with a shared route configuration."""
    sniffed: list[tuple[Service, int]]
    """Services with a route configuration of their own."""


@dataclass(slots=True)
class _Drafts:
    """All that is under construction."""

    entries: dict[tuple[str, int], _Entry] = field(default_factory=dict)
    ports: set[int] = field(default_factory=set)
    sniffed: dict[str, tuple[Service, int]] = field(default_factory=dict)


def outbound(scope: Scope) -> Outbound:
    """Return the listeners for every service that the proxy sees."""
    drafts = _Drafts()
    for egress in scope.egress:
        if not egress.port:
            for entry in drafts.entries.values():
                entry.locked = True
        for bind in _binds(scope, egress):
            _add(scope, egress, bind, drafts)
    return Outbound(
        listeners=[_listener(scope, drafts.entries[key]) for key in sorted(drafts.entries)],
        ports=sorted(drafts.ports),
        sniffed=[drafts.sniffed[route] for route in sorted(drafts.sniffed)],
    )


def _binds(scope: Scope, egress: Egress) -> Iterator[_Bind]:
    """Yield each port of each service with the addresses to listen on."""
    listener = egress.listener
    bound = listener is not None and listener.capture_mode == "NONE"
    given = (listener.bind if listener is not None else "") or (_LOCALHOST if bound else "")
    if given.startswith("unix:"):
        return
    declared = listener.port if listener is not None else None
    for service in egress.services:
        if service.resolution is Resolution.ALIAS:
            continue
        for port in service.ports:
            if declared is not None and declared.number:
                port = Port(
                    name=declared.name,
                    number=declared.number,
                    target_port=port.target_port,
                    protocol=parse(declared.protocol),
                )
            if port.protocol is Protocol.UDP:
                continue
            if given:
                yield _Bind(service=service, port=port, address=given, bound=bound)
            else:
                yield from _places(scope, service, port)


def _places(scope: Scope, service: Service, port: Port) -> Iterator[_Bind]:
    if port.protocol.http:
        yield _Bind(service=service, port=port, address=UNSPECIFIED)
        return
    addresses = service.listens_at(dns_capture=scope.pod.dns_capture)
    if service.resolution is Resolution.ORIGINAL and addresses == (UNSPECIFIED,):
        endpoints = service.endpoints_of(port)
        if service.kubernetes or endpoints or service.selector:
            # No address of its own: its workloads' stand for it.
            for endpoint in endpoints:
                if endpoint.address != scope.pod.ip and is_address(endpoint.address):
                    yield _Bind(service=service, port=port, address=endpoint.address)
            return
    for each in addresses:
        if "/" in each:
            yield _Bind(service=service, port=port, address=UNSPECIFIED, cidr=each)
        else:
            yield _Bind(service=service, port=port, address=each)


def _add(scope: Scope, egress: Egress, bind: _Bind, drafts: _Drafts) -> None:
    service, port = bind.service, bind.port
    key = (bind.address, port.number)
    name = names.stat_prefix(f"outbound_{names.listener(*key)}")
    existing = drafts.entries.get(key)
    if existing is not None and existing.locked:
        return
    kind = port.protocol
    if port.protocol.http:
        drafts.ports.add(port.number)
        if existing is not None and not existing.kind.tcp:
            return
        detects = bind.address == UNSPECIFIED
        chains = [_http(scope, name, str(port.number), service, detects=detects)]
        # It has a way out for TCP, and so detects as well.
        kind = Protocol.AUTO if detects else kind
    else:
        if port.protocol.sniffed and existing is not None and existing.kind.sniffed:
            return
        chains = tcp_chains(scope, egress, service, port, bind.address, bind.cidr)
        if port.protocol.sniffed:
            route = str(port.number)
            if bind.address == UNSPECIFIED:
                drafts.ports.add(port.number)
            else:
                route = f"{service.hostname}:{port.number}"
                drafts.sniffed[route] = (service, port.number)
            chains.append(_http(scope, name, route, service, detects=True))
    if (
        existing is not None
        and kind != existing.kind
        and not _ALONE.isdisjoint({port.protocol, existing.kind})
    ):
        return
    if existing is None or (port.protocol.sniffed and existing.kind.http):
        drafts.entries[key] = _Entry(
            address=bind.address, port=port.number, kind=kind, bound=bind.bound, chains=chains
        )
        return
    if not (existing.kind.tcp and kind.tcp):
        existing.kind = Protocol.AUTO
    _merge(existing, chains)


def _http(scope: Scope, stat_prefix: str, route: str, service: Service, *, detects: bool) -> Part:
    chain = Part(value={"filters": [outbound_manager(scope, stat_prefix, route)]})
    if detects:
        chain.value["filter_chain_match"] = {
            "application_protocols": PLAINTEXT_HTTP,
            "transport_protocol": "raw_buffer",
        }
    chain.note("", service.source, "")
    return chain


def _merge(entry: _Entry, chains: list[Part]) -> None:
    for chain in chains:
        if all(_match(each) != _match(chain) for each in entry.chains):
            entry.chains.append(chain)


def _match(chain: Part) -> dict[str, Any]:
    """Return what Envoy makes of a chain's match: networks without the host's bits."""
    match = dict(chain.value.get("filter_chain_match", {}))
    if "prefix_ranges" in match:
        match["prefix_ranges"] = [
            ip_network(f"{one['address_prefix']}/{one['prefix_len']['value']}", strict=False)
            for one in match["prefix_ranges"]
        ]
    return match


def _listener(scope: Scope, entry: _Entry) -> Part:
    part = Part(
        value={
            "name": names.listener(entry.address, entry.port),
            "address": address(entry.address, entry.port),
            "traffic_direction": "OUTBOUND",
            "continue_on_listener_filters_timeout": True,
            "access_log": listener_logs(scope.mesh, scope.pod, "CLIENT"),
        }
    )
    if not entry.bound:
        part.value["bind_to_port"] = wrapped(value=False)
    _detect(part, scope, entry.chains)
    matching = [each for each in entry.chains if each.value.get("filter_chain_match")]
    default = next(
        (each for each in entry.chains if not each.value.get("filter_chain_match")), None
    )
    if default is not None and not matching:
        part.list("filter_chains", [default])
        return part
    part.list("filter_chains", matching)
    part.nest("default_filter_chain", default or _way_out(scope))
    return part


def _way_out(scope: Scope) -> Part:
    return Part(
        value={
            "name": "PassthroughFilterChain",
            "filter_chain_match": {},
            "filters": [to_cluster(scope, catch_all_cluster(scope))],
        }
    )


def _detect(part: Part, scope: Scope, chains: list[Part]) -> None:
    matches = [each.value.get("filter_chain_match", {}) for each in chains]
    detects = any(each.get("application_protocols") for each in matches)
    found: list[dict[str, Any]] = []
    if detects or any(each.get("server_names") for each in matches):
        found.append(listener_filter("tls_inspector"))
    if detects:
        found.append(listener_filter("http_inspector"))
    part.value["listener_filters"] = found
    timeout_ns = scope.mesh.config.protocol_detection_timeout_ns if detects else 0
    part.value["listener_filters_timeout"] = duration(timeout_ns)
