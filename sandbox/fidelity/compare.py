"""Set an observation of the real mesh beside the simulator's, field by field.

Compared is what configuration decides; times are not, and headers that the moment decides
are no part of an observation. Hops are compared in order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from simulator.observe.observation import Hop, Observation

_HOP_FIELDS = (
    "proxy",
    "direction",
    "status",
    "response_flags",
    "details",
    "protocol",
    "route",
    "virtual_host",
    "cluster",
    "upstream",
    "attempts",
    "request_headers_upstream",
    "tls",
)


_HANDSHAKE = "TLS handshake failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One field that differs."""

    field: str
    """Such as `hops[1].route`."""
    observed: Any
    simulated: Any

    def __str__(self) -> str:
        """Return one line."""
        return f"{self.field}: observed {self.observed!r}, simulated {self.simulated!r}"


def compare(observed: Observation, simulated: Observation) -> tuple[Difference, ...]:
    """Return every difference between two observations of the same request."""
    return tuple(_differences(observed, simulated))


def _differences(observed: Observation, simulated: Observation) -> Iterator[Difference]:
    yield from _unequal("status", observed.status, simulated.status)
    yield from _unequal("error", _kind(observed.error), _kind(simulated.error))
    seen, said = observed.response_headers or {}, simulated.response_headers or {}
    for name in sorted({*seen, *said}):
        yield from _unequal(f"response_headers.{name}", seen.get(name), said.get(name))
    ways = tuple(
        [f"{hop.proxy} {hop.direction}" for hop in one.hops] for one in (observed, simulated)
    )
    if ways[0] != ways[1]:
        # Beyond this, hop by hop would compare one proxy with another.
        yield Difference(field="hops", observed=ways[0], simulated=ways[1])
        return
    for number, (left, right) in enumerate(zip(observed.hops, simulated.hops, strict=True)):
        yield from _hop(f"hops[{number}]", left, right)


def _kind(error: str | None) -> str | None:
    """Return an error without the words that each library has for a handshake that failed."""
    return _HANDSHAKE if error is not None and error.startswith(_HANDSHAKE) else error


def _hop(where: str, observed: Hop, simulated: Hop) -> Iterator[Difference]:
    for name in _HOP_FIELDS:
        yield from _unequal(f"{where}.{name}", getattr(observed, name), getattr(simulated, name))


def _unequal(field: str, observed: object, simulated: object) -> Iterator[Difference]:
    if observed != simulated:
        yield Difference(field=field, observed=observed, simulated=simulated)
