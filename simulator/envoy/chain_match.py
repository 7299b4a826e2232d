"""Pick a listener's filter chain: nested lookups, most specific first, no way back.

At each step only the most specific value that fits survives; when a later step then
finds nothing, a less specific branch is not tried again.

Models    envoy.config.listener.v3.FilterChainMatch
Follows   envoy/source/common/listener_manager/filter_chain_manager_impl.cc
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainMatch:
    """What a filter chain asks of a connection; an empty field asks nothing."""

    destination_port: int | None = None
    prefix_ranges: tuple[Network, ...] = ()
    server_names: tuple[str, ...] = ()
    transport_protocol: str = ""
    application_protocols: tuple[str, ...] = ()
    direct_source_prefix_ranges: tuple[Network, ...] = ()
    source_type: str = "ANY"
    """`ANY`, `SAME_IP_OR_LOOPBACK` or `EXTERNAL`."""
    source_prefix_ranges: tuple[Network, ...] = ()
    source_ports: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What listener filters found out about a connection."""

    address: str
    port: int
    server_name: str
    transport: str
    protocols: tuple[str, ...]
    direct_source: str
    source: str
    source_port: int


@dataclass(frozen=True, slots=True)
class Candidate(Generic[T]):
    """A filter chain with what it asks."""

    match: ChainMatch
    chain: T


@dataclass(frozen=True, slots=True)
class Dropped(Generic[T]):
    """A candidate that fell out, at which field and why."""

    candidate: Candidate[T]
    field: str
    reason: str


def _most_specific_network(
    candidates: Sequence[Candidate[T]],
    networks: Callable[[ChainMatch], tuple[Network, ...]],
    address: str,
) -> list[Candidate[T]]:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return [one for one in candidates if not networks(one.match)]

    def length(one: Candidate[T]) -> int:
        wanted = networks(one.match)
        if not wanted:
            return -1
        fitting = [n.prefixlen for n in wanted if n.version == ip.version and ip in n]
        return max(fitting, default=-2)

    return _best(candidates, length)


def _best(
    candidates: Sequence[Candidate[T]], rank: Callable[[Candidate[T]], int]
) -> list[Candidate[T]]:
    """Keep those of the highest rank; below -1 nothing fits."""
    ranks = [rank(one) for one in candidates]
    top = max(ranks, default=-2)
    if top < -1:
        return []
    return [one for one, value in zip(candidates, ranks, strict=True) if value == top]


def _by_port(candidates: Sequence[Candidate[T]], seen: Inspected) -> list[Candidate[T]]:
    def rank(one: Candidate[T]) -> int:
        wanted = one.match.destination_port
        return -1 if wanted is None else 0 if wanted == seen.port else -2

    return _best(candidates, rank)


def _by_address(candidates: Sequence[Candidate[T]], seen: Inspected) -> list[Candidate[T]]:
    return _most_specific_network(candidates, lambda match: match.prefix_ranges, seen.address)


def _by_server_name(candidates: Sequence[Candidate[T]], seen: Inspected) -> list[Candidate[T]]:
    names = list(_names(seen.server_name))

    def rank(one: Candidate[T]) -> int:
        if not one.match.server_names:
            return -1
        fitting = [len(names) - names.index(n) for n in one.match.server_names if n in names]
        return max(fitting, default=-2)

    return _best(candidates, rank)


def _names(server_name: str) -> Iterator[str]:
    """Yield the server name, then ever shorter wildcards: `*.example.com`, `*.com`."""
    if not server_name:
        return
    yield server_name
    at = server_name.find(".", 1)
    while at != -1:
        yield "*" + server_name[at:]
        at = server_name.find(".", at + 1)


def _by_transport(candidates: Sequence[Candidate[T]], seen: Inspected) -> list[Candidate[T]]:
    def rank(one: Candidate[T]) -> int:
        wanted = one.match.transport_protocol
        return -1 if not wanted else 0 if wanted == seen.transport else -2

    return _best(candidates, rank)


def _by_protocol(candidates: Sequence[Candidate[T]], seen: Inspected) -> list[Candidate[T]]:
    # The first of the client's protocols that any chain names decides.
    for protocol in seen.protocols:
        naming = [one for one in candidates if protocol in one.match.application_protocols]
        if naming:
            return naming
    return [one for one in candidates if not one.match.application_protocols]


def _by_direct_source(candidates: Sequence[Candidate[T]], seen: Inspected) -> list[Candidate[T]]:
    return _most_specific_network(
        candidates, lambda match: match.direct_source_prefix_ranges, seen.direct_source
    )


def _by_source_type(candidates: Sequence[Candidate[T]], seen: Inspected) -> list[Candidate[T]]:
    local = seen.source == seen.address or seen.source in _LOOPBACK
    fits = "SAME_IP_OR_LOOPBACK" if local else "EXTERNAL"

    def rank(one: Candidate[T]) -> int:
        wanted = one.match.source_type
        return -1 if wanted == "ANY" else 0 if wanted == fits else -2

    return _best(candidates, rank)


_LOOPBACK = ("127.0.0.1", "::1")
"""What Envoy calls the loopback address; the rest of 127.0.0.0/8 is none."""


def _by_source(candidates: Sequence[Candidate[T]], seen: Inspected) -> list[Candidate[T]]:
    return _most_specific_network(candidates, lambda match: match.source_prefix_ranges, seen.source)


def _by_source_port(candidates: Sequence[Candidate[T]], seen: Inspected) -> list[Candidate[T]]:
    def rank(one: Candidate[T]) -> int:
        wanted = one.match.source_ports
        return -1 if not wanted else 0 if seen.source_port in wanted else -2

    return _best(candidates, rank)


_STEPS = (
    ("destination_port", _by_port, "the destination port is {0.port}"),
    ("prefix_ranges", _by_address, "the destination address is {0.address}"),
    ("server_names", _by_server_name, 'the server name (SNI) is "{0.server_name}"'),
    ("transport_protocol", _by_transport, "the transport is {0.transport}"),
    ("application_protocols", _by_protocol, "the application protocols are {0.protocols}"),
    ("direct_source_prefix_ranges", _by_direct_source, "the peer's address is {0.direct_source}"),
    ("source_type", _by_source_type, "the source is {0.source}"),
    ("source_prefix_ranges", _by_source, "the source address is {0.source}"),
    ("source_ports", _by_source_port, "the source port is {0.source_port}"),
)


def select(
    candidates: Sequence[Candidate[T]],
    seen: Inspected,
    dropped: list[Dropped[T]] | None = None,
) -> T | None:
    """Return the chain that takes a connection; note in `dropped` why others do not."""
    left: Sequence[Candidate[T]] = candidates
    for field, step, fact in _STEPS:
        kept = step(left, seen)
        if dropped is not None:
            said = fact.format(seen)
            dropped += (Dropped(one, field, _why(one, field, said)) for one in _gone(left, kept))
        left = kept
        if not left:
            return None
    return left[0].chain


def _gone(before: Iterable[Candidate[T]], after: Iterable[Candidate[T]]) -> list[Candidate[T]]:
    kept = {id(one) for one in after}
    return [one for one in before if id(one) not in kept]


def _why(one: Candidate[T], field: str, fact: str) -> str:
    wanted = getattr(one.match, field)
    if wanted in (None, "", (), "ANY"):
        return f"{fact}, and another chain asks for exactly that in {field}"
    values = wanted if isinstance(wanted, tuple) else (wanted,)
    return f"{fact}, and the chain asks for {', '.join(str(value) for value in values)}"
