"""What a condition of a tree looks at: an input of Envoy's generic matching API.

Models    envoy.type.matcher.v3.{HttpRequestHeaderMatchInput, HttpRequestQueryParamMatchInput},
          envoy.extensions.matching.common_inputs.{network,ssl}.v3
Follows   envoy/source/extensions/matching/network/common/inputs.h,
          source/common/ssl/matching/inputs.h
Leaves    other inputs (docs/fidelity.md#match-trees)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from simulator.envoy.match import Subject
from simulator.envoy.tls import Certificate


class Input(Protocol):
    """What a condition looks at."""

    def value(self, subject: Subject) -> str | None:
        """Return it; `None` if the request has none."""
        ...


@dataclass(frozen=True, slots=True)
class HeaderInput:
    """envoy.type.matcher.v3.HttpRequestHeaderMatchInput: a header's lines, joined."""

    name: str

    def value(self, subject: Subject) -> str | None:
        """Return it; `None` if the request has none."""
        values = subject.request.values(self.name)
        return ",".join(values) if values else None


@dataclass(frozen=True, slots=True)
class QueryInput:
    """envoy.type.matcher.v3.HttpRequestQueryParamMatchInput."""

    name: str

    def value(self, subject: Subject) -> str | None:
        """Return it; `None` if the request has none."""
        return subject.query.get(self.name)


@dataclass(frozen=True, slots=True)
class NoInput:
    """An input that is not modelled: it never has a value."""

    def value(self, subject: Subject) -> str | None:  # noqa: ARG002 - as the others
        """Return nothing."""
        return None


def _source_port(subject: Subject) -> str:
    connection = subject.info.connection
    if connection is None:
        return ""
    # A header may have named another client, whose port nobody knows.
    same = connection.source_ip == subject.info.source_address
    return str(connection.source_port if same else 0)


def _of_connection(name: str) -> Callable[[Subject], str]:
    def read(subject: Subject) -> str:
        connection = subject.info.connection
        return str(getattr(connection, name)) if connection is not None else ""

    return read


def _direct_source(subject: Subject) -> str:
    connection = subject.info.connection
    return (connection.direct_source_ip or connection.source_ip) if connection is not None else ""


def _of_peer(read: Callable[[Certificate], str]) -> Callable[[Subject], str]:
    def found(subject: Subject) -> str:
        connection = subject.info.connection
        peer = connection.peer if connection is not None else None
        return read(peer) if peer is not None else ""

    return found


_READS: Mapping[str, Callable[[Subject], str]] = {
    "network.v3.DestinationIPInput": _of_connection("address"),
    "network.v3.DestinationPortInput": _of_connection("port"),
    "network.v3.SourceIPInput": lambda subject: subject.info.source_address,
    "network.v3.SourcePortInput": _source_port,
    "network.v3.DirectSourceIPInput": _direct_source,
    "network.v3.ServerNameInput": _of_connection("sni"),
    "ssl.v3.UriSanInput": _of_peer(lambda peer: ",".join(peer.uri_sans)),
    "ssl.v3.DnsSanInput": _of_peer(lambda peer: ",".join(peer.dns_sans)),
    "ssl.v3.SubjectInput": _of_peer(lambda peer: peer.subject),
}
"""How what is known of a connection is read, by the kind of input."""
CONNECTION_INPUTS = frozenset(_READS)


@dataclass(frozen=True, slots=True)
class ConnectionInput:
    """envoy.extensions.matching.common_inputs: what is known of the connection."""

    kind: str
    """One of `CONNECTION_INPUTS`."""

    def value(self, subject: Subject) -> str | None:
        """Return it; `None` if the connection has none."""
        return _READS[self.kind](subject) or None
