"""Find the listener and the filter chain that a connection ends in.

Models    envoy.config.listener.v3.{Listener, FilterChain, FilterChainMatch}
Follows   envoy/source/common/listener_manager/{active_tcp_listener,filter_chain_manager_impl}.cc
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.diagnostics import Diagnostic
from simulator.envoy.http import HttpChain
from simulator.envoy.tcp import TcpChain
from simulator.observe.explain import FieldRef, Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A connection as it reaches a proxy."""

    address: str
    """Where the client thinks it connects to: the original destination."""
    port: int
    listener_port: int | None = None
    """15001 or 15006 where it was captured and sent to a virtual listener; None: direct."""
    transport: str = "raw_buffer"
    """`tls` where the client opens with a ClientHello."""
    alpn: tuple[str, ...] = ()
    """What the ClientHello offers; without TLS what the client speaks: `http/1.1`, `h2c`,
    empty where it is not HTTP."""
    sni: str = ""
    source_ip: str = ""
    """The client's address; empty where it does not matter."""
    source_port: int = 0
    direct_source_ip: str = ""
    """The peer's own address, where a PROXY header changed `source_ip`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterChain:
    """One filter chain: HTTP, TCP, or neither (what it holds is not modelled)."""

    name: str
    index: int
    """-1 for the default filter chain."""
    field: FieldRef
    http: HttpChain | None = None
    tcp: TcpChain | None = None
    tls: bool = False
    """Whether it terminates TLS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """One listener."""

    name: str
    address: str
    port: int
    bind_to_port: bool
    use_original_dst: bool
    traffic_direction: str
    """`UNSPECIFIED`, `INBOUND` or `OUTBOUND`."""
    chains: tuple[FilterChain, ...]
    default_chain: FilterChain | None
    inspects_tls: bool
    inspects_http: bool
    field: FieldRef
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The connection has found its filter chain."""

    listener: Listener
    filter_chain: FilterChain
    kind: str
    """`http` or `tcp`"""
    http: HttpChain | None
    tcp: TcpChain | None
    node: Node | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """Nothing takes the connection; the proxy closes it."""

    stage: str
    """`listener` or `filter chain`: where the search ended."""
    listener: Listener | None = None
    node: Node | None = None
