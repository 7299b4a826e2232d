"""Chance as an input: where a proxy's random numbers come from, or what replaces them.

Envoy asks one generator for everything but the value that all fractions of an HTTP
stream share (route fractions, weighted clusters, mirrors). Here each use has a name,
so that one component's draws do not reshuffle another's, and a request that was
seen in a real mesh can be played again with the choices that were seen.

Follows   envoy/common/random_generator.h, source/common/http/conn_manager_impl.cc (stream id)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


class Chance(Protocol):
    """The random numbers of one proxy."""

    def next(self, name: str, /) -> int:
        """Return a fresh `u64` for the use `name`: `endpoint`, `back-off`, `fault delay` …"""
        ...


class Draws(Chance, Protocol):
    """The random numbers of one HTTP stream."""

    @property
    def stream(self) -> int:
        """The `u64` that every fraction of this stream shares."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Forced:
    """Choices that were observed and are made again, whatever the draws would say.

    `None` leaves a choice to the draws.
    """

    cluster: str | None = None
    endpoints: tuple[str, ...] | None = None
    """`ip:port` of each attempt's endpoint, in order."""
    delayed: bool | None = None
    """Whether the fault filter's delay hit."""
    aborted: bool | None = None
    """Whether the fault filter's abort hit."""


NOTHING_FORCED = Forced()


@dataclass(slots=True)
class Listed:
    """Draws read off lists, in order: for tables, tests and examples."""

    stream: int = 0
    values: dict[str, list[int]] = field(default_factory=dict)

    def next(self, name: str, /) -> int:
        """Return the next listed value for `name`, or 0 when none is left."""
        left = self.values.get(name)
        return left.pop(0) if left else 0
