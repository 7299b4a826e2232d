"""Write the listeners of a sidecar for what its own workload sends.

HTTP services share one listener a port, whose routes go by the host; TCP services,
and those whose protocol is detected, have one of their own at their address.

Models    envoy.config.listener.v3.Listener
Follows   istio pilot/pkg/networking/core/listener.go (buildSidecarOutboundListeners)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
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
from simulator.istiod.protocol import Protocol
from simulator.istiod.registry import Port, Resolution, Service
from simulator.istiod.scope import Scope
from simulator.istiod.service import UNSPECIFIED
from simulator.istiod.tcp_routes import tcp_chains


@dataclass(slots=True, kw_only=True)
class _Entry:
    """A listener under construction."""

    address: str
    port: int
    kind: str
    """`http`, `tcp`, or `auto` where both are told apart by what comes first."""
    chains: list[Part] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Outbound:
    """A sidecar's outgoing listeners and the routes that they ask for."""

    listeners: list[Part]
    ports: list[int]
    """Those with a shared route configuration."""
    sniffed: list[tuple[Service, int]]
    """Services with a route configuration of their own."""


def outbound(scope: Scope) -> Outbound:
    """Return the listeners for every service that the proxy sees."""
    entries: dict[tuple[str, int], _Entry] = {}
    sniffed: dict[str, tuple[Service, int]] = {}
    ports: set[int] = set()
    for service, port, host in _binds(scope):
        key = (host, port.number)
        name = names.listener(*key)
        stat_prefix = names.stat_prefix(f"outbound_{name}")
        existing = entries.get(key)
        if port.protocol.http:
            ports.add(port.number)
            if existing is not None and existing.kind != "tcp":
                continue
            chains = [_http(stat_prefix, str(port.number), service)]
        else:
            chains = tcp_chains(scope, service, port, host)
            if port.protocol.sniffed:
                if existing is not None and existing.kind == "auto":
                    continue
                shared = host == UNSPECIFIED
                route = str(port.number) if shared else f"{service.hostname}:{port.number}"
                if shared:
                    ports.add(port.number)
                else:
                    sniffed[route] = (service, port.number)
                chains.append(_http(stat_prefix, route, service))
        _merge(entries, key, port.protocol, chains)
    return Outbound(
        listeners=[_listener(scope, entries[key]) for key in sorted(entries)],
        ports=sorted(ports),
        sniffed=[sniffed[route] for route in sorted(sniffed)],
    )


def _binds(scope: Scope) -> Iterator[tuple[Service, Port, str]]:
    """Yield each port of each service with the address to listen on."""
    for service in scope.services.values():
        if service.resolution is Resolution.ALIAS:
            continue
        for port in service.ports:
            if port.protocol is Protocol.UDP:
                continue
            if port.protocol.http:
                yield service, port, UNSPECIFIED
            elif service.kubernetes and service.resolution is Resolution.ORIGINAL:
                # A headless service has no address: its pods' own stand for it.
                for endpoint in service.endpoints_of(port):
                    if endpoint.address != scope.pod.ip:
                        yield service, port, endpoint.address
            else:
                yield service, port, UNSPECIFIED if "/" in service.ip else service.ip


def _http(stat_prefix: str, route: str, service: Service) -> Part:
    chain = Part(
        value={
            "filter_chain_match": {
                "application_protocols": PLAINTEXT_HTTP,
                "transport_protocol": "raw_buffer",
            },
            "filters": [outbound_manager(stat_prefix, route)],
        }
    )
    chain.note("", service.source, "")
    return chain


def _merge(
    entries: dict[tuple[str, int], _Entry],
    key: tuple[str, int],
    protocol: Protocol,
    chains: list[Part],
) -> None:
    # An HTTP listener at the shared address has a way out for TCP, and so detects as well.
    kind = "tcp" if protocol.tcp else "auto"
    entry = entries.get(key)
    if entry is None:
        entries[key] = _Entry(address=key[0], port=key[1], kind=kind, chains=chains)
        return
    if entry.kind != kind:
        entry.kind = "auto"
    for chain in chains:
        match = chain.value.get("filter_chain_match", {})
        if all(each.value.get("filter_chain_match", {}) != match for each in entry.chains):
            entry.chains.append(chain)


def _listener(scope: Scope, entry: _Entry) -> Part:
    part = Part(
        value={
            "name": names.listener(entry.address, entry.port),
            "address": address(entry.address, entry.port),
            "traffic_direction": "OUTBOUND",
            "bind_to_port": wrapped(value=False),
            "continue_on_listener_filters_timeout": True,
            "listener_filters_timeout": duration(0),
            "listener_filters": _filters(entry.chains),
        }
    )
    matching = [each for each in entry.chains if each.value.get("filter_chain_match")]
    default = next(
        (each for each in entry.chains if not each.value.get("filter_chain_match")), None
    )
    if default is not None and not matching:
        part.list("filter_chains", [default])
        default = None
    else:
        part.list("filter_chains", matching)
    if default is None:
        default = Part(
            value={
                "name": "PassthroughFilterChain",
                "filter_chain_match": {},
                "filters": [to_cluster(catch_all_cluster(scope))],
            }
        )
    part.nest("default_filter_chain", default)
    return part


def _filters(chains: list[Part]) -> list[dict[str, Any]]:
    matches = [each.value.get("filter_chain_match", {}) for each in chains]
    detects = any(each.get("application_protocols") for each in matches)
    found = []
    if detects or any(each.get("server_names") for each in matches):
        found.append(listener_filter("tls_inspector"))
    if detects:
        found.append(listener_filter("http_inspector"))
    return found
