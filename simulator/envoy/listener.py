"""Find the listener and the filter chain that a connection ends in.

Models    envoy.config.listener.v3.{Listener, FilterChain}
Follows   envoy/source/common/listener_manager/{active_tcp_listener,connection_handler_impl}.cc
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from simulator.diagnostics import Diagnostic
from simulator.envoy.access_log import AccessLog
from simulator.envoy.chain_match import Candidate, Dropped, Inspected, select
from simulator.envoy.connection import Connection
from simulator.envoy.http import HttpChain
from simulator.envoy.tcp import TcpChain
from simulator.envoy.transport import ServerTls
from simulator.observe.explain import FieldRef, Node, Outcome

_ANY_ADDRESS = ("0.0.0.0", "::")


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterChain:
    """One filter chain: HTTP, TCP, or neither (what it holds is not modelled)."""

    name: str
    index: int
    """-1 for the default filter chain."""
    field: FieldRef
    http: HttpChain | None = None
    tcp: TcpChain | None = None
    tls: ServerTls | None = None
    """How it ends TLS; None where it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Some ports, or all others."""

    ranges: tuple[tuple[int, int], ...] = ()
    """From, and up to without."""
    inverted: bool = False

    def has(self, port: int) -> bool:
        """Say whether a port is among them."""
        return self.inverted != any(start <= port < end for start, end in self.ranges)


NO_PORT = Ports()
EVERY_PORT = Ports(inverted=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """One listener."""

    name: str
    address: str
    port: int
    bind_to_port: bool
    use_original_dst: bool
    """Whether it looks up where the client meant to connect to."""
    hands_off: bool
    """Whether it hands connections on to the listener of their original destination."""
    traffic_direction: str
    """`UNSPECIFIED`, `INBOUND` or `OUTBOUND`."""
    candidates: tuple[Candidate[FilterChain], ...]
    default_chain: FilterChain | None
    inspects_tls: Ports
    """Where TLS is recognized, by the port that the client connected to."""
    inspects_http: Ports
    """Where HTTP is recognized, likewise."""
    filters_timeout_ns: int
    """How long listener filters wait for a client's first bytes; 0: for ever."""
    filters_may_fail: bool
    """Whether a connection goes on when they have waited in vain."""
    field: FieldRef
    access_logs: tuple[AccessLog, ...] = ()
    """Each tells of every connection."""
    stat_prefix: str = ""
    """Under which it is counted; empty: its address."""
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
    waits_ns: int | None = 0
    """How long listener filters wait for the first bytes of a silent client; None: for ever."""
    node: Node | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """Nothing takes the connection; the proxy closes it."""

    stage: str
    """`listener` or `filter chain`: where the search ended."""
    listener: Listener | None = None
    waits_ns: int | None = 0
    """As for `Accepted`."""
    node: Node | None = None


class Listening(Protocol):
    """What listens, by address and port; a compiled configuration does."""

    @property
    def listening(self) -> Mapping[tuple[str, int], Listener]:
        """Every listener by its address and port."""
        ...


def accept(config: Listening, connection: Connection, *, explain: bool = False) -> Accepted | Miss:
    """Return where a connection ends: its listener and filter chain."""
    port = connection.port if connection.listener_port is None else connection.listener_port
    bound = _at(config, connection.address, port)
    if bound is None or not bound.bind_to_port:
        return Miss(stage="listener", node=_no_listener(connection, port) if explain else None)
    found = bound
    if bound.hands_off:
        handed = _at(config, connection.address, connection.port)
        if handed is not None:
            found = handed
    waits_ns = _waits(bound, found, connection) if connection.silent else 0
    if isinstance(waits_ns, _Closed):
        node = _silence(found, connection) if explain else None
        return Miss(stage="first bytes", listener=found, waits_ns=waits_ns.after_ns, node=node)
    dropped: list[Dropped[FilterChain]] | None = [] if explain else None
    chain = select(found.candidates, _inspect(bound, found, connection), dropped)
    if chain is None:
        chain = found.default_chain
    node = _node(bound, found, chain, connection, dropped) if dropped is not None else None
    if chain is None:
        return Miss(stage="filter chain", listener=found, waits_ns=waits_ns, node=node)
    return Accepted(
        listener=found,
        filter_chain=chain,
        kind="http" if chain.http is not None else "tcp",
        http=chain.http,
        tcp=chain.tcp,
        waits_ns=waits_ns,
        node=node,
    )


def _at(config: Listening, address: str, port: int) -> Listener | None:
    """Return the listener at exactly this address, or else at any address, of a port."""
    listening = config.listening
    for one in (address, *_ANY_ADDRESS):
        if (found := listening.get((one, port))) is not None:
            return found
    return None


def _inspect(bound: Listener, found: Listener, connection: Connection) -> Inspected:
    """Return what the listener filters that a connection passes find out about it."""
    # A connection that is handed on passes the first listener's filters, then the second's.
    inspected = any(one.inspects_tls.has(connection.port) for one in (bound, found))
    tls = connection.transport == "tls" and inspected
    http = connection.transport == "raw_buffer" and any(
        one.inspects_http.has(connection.port) for one in (bound, found)
    )
    return Inspected(
        address=connection.address,
        port=connection.port,
        server_name=connection.sni.lower() if tls else "",
        transport="tls" if tls else "raw_buffer",
        protocols=connection.alpn if tls or http else (),
        direct_source=connection.direct_source_ip or connection.source_ip,
        source=connection.source_ip,
        source_port=connection.source_port,
    )


@dataclass(frozen=True, slots=True)
class _Closed:
    """A listener closes the connection, for want of a first byte."""

    after_ns: int


def _waits(bound: Listener, found: Listener, connection: Connection) -> int | _Closed | None:
    """Return how long a silent connection waits; None: for ever."""
    total = 0
    for one in (bound,) if found is bound else (bound, found):
        if not (one.inspects_tls.has(connection.port) or one.inspects_http.has(connection.port)):
            continue
        if not one.filters_timeout_ns:
            return None
        total += one.filters_timeout_ns
        if not one.filters_may_fail:
            return _Closed(total)
    return total


def _silence(listener: Listener, connection: Connection) -> Node:
    return Node(
        what="listener",
        name=listener.name,
        outcome=Outcome.REJECTED,
        reason=f"the client of {connection.address}:{connection.port} says nothing, and a listener "
        "filter waits for its first bytes",
        field=listener.field,
    )


def _no_listener(connection: Connection, port: int) -> Node:
    return Node(
        what="listener",
        name=f"{connection.address}:{port}",
        outcome=Outcome.REJECTED,
        reason=f"no listener is bound to {connection.address}:{port} or to any address of the port",
    )


def _node(
    bound: Listener,
    found: Listener,
    chain: FilterChain | None,
    connection: Connection,
    dropped: list[Dropped[FilterChain]],
) -> Node:
    where = f"{connection.address}:{connection.port}"
    reason = f"the connection to {where} is accepted by this listener"
    if found is not bound:
        reason = f"{bound.name} hands the connection on to the listener of {where}"
    elif bound.hands_off:
        reason = f"no listener of its own stands for {where}, so {bound.name} keeps the connection"
    children = [
        Node(
            what="filter chain",
            name=one.candidate.chain.name or f"#{one.candidate.chain.index}",
            outcome=Outcome.REJECTED,
            reason=one.reason,
            field=FieldRef(
                found.field.kind,
                found.field.resource,
                f"{one.candidate.chain.field.path}.filter_chain_match.{one.field}",
            ),
        )
        for one in dropped
    ]
    if chain is not None:
        default = chain is found.default_chain
        children.append(
            Node(
                what="filter chain",
                name=chain.name or ("default" if default else f"#{chain.index}"),
                outcome=Outcome.CHOSEN,
                reason="no other filter chain takes the connection"
                if default
                else "it is the most specific chain whose conditions all hold",
                field=chain.field,
            )
        )
    return Node(
        what="listener",
        name=found.name,
        outcome=Outcome.CHOSEN if chain is not None else Outcome.REJECTED,
        reason=reason
        if chain is not None
        else f"{reason}, but no filter chain takes it and there is no default one",
        field=found.field,
        children=tuple(children),
    )
