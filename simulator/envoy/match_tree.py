"""Decide by a tree of conditions: Envoy's generic matching API.

A tree is asked for the first action whose conditions hold; what has no match leads to
`otherwise`, where there is one. A map is looked up by one input: as it is, or by its
longest prefix first.

Models    xds.type.matcher.v3.{Matcher, IPMatcher, CelMatcher},
          envoy.extensions.matching.input_matchers.ip.v3.Ip
Follows   envoy/source/common/matcher/{list_matcher,map_matcher,exact_map_matcher,
          prefix_map_matcher,field_matcher}.h,
          source/extensions/common/matcher/ip_range_matcher.h
Leaves    server names and what else a custom matcher may be (docs/fidelity.md#match-trees)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Generic, Protocol, TypeVar

from simulator.envoy.chain_match import Network
from simulator.envoy.match import Subject
from simulator.envoy.match_input import Input

Action = TypeVar("Action")
Made = TypeVar("Made", covariant=True)


class Predicate(Protocol):
    """A condition of a list."""

    def holds(self, subject: Subject) -> bool:
        """Say whether it does."""
        ...


class Text(Protocol):
    """What a value is compared with."""

    def matches(self, value: str) -> bool:
        """Say whether it is as asked."""
        ...


@dataclass(frozen=True, slots=True)
class Ranges:
    """envoy.extensions.matching.input_matchers.ip.v3.Ip: an address in one of several ranges."""

    networks: tuple[Network, ...]

    def matches(self, value: str) -> bool:
        """Say whether a value is such an address."""
        try:
            address = ip_address(value)
        except ValueError:
            return False
        return any(address in one for one in self.networks)


@dataclass(frozen=True, slots=True)
class Single:
    """An input whose value is as asked; without a value it is not."""

    input: Input
    text: Text | None
    """Absent where it is not modelled: then it never holds."""

    def holds(self, subject: Subject) -> bool:
        """Say whether it does."""
        value = self.input.value(subject)
        return value is not None and self.text is not None and self.text.matches(value)


@dataclass(frozen=True, slots=True)
class Every:
    """All of several conditions."""

    parts: tuple[Predicate, ...]

    def holds(self, subject: Subject) -> bool:
        """Say whether it does."""
        return all(part.holds(subject) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Either:
    """One of several conditions."""

    parts: tuple[Predicate, ...]

    def holds(self, subject: Subject) -> bool:
        """Say whether it does."""
        return any(part.holds(subject) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Not:
    """The contrary of a condition."""

    part: Predicate

    def holds(self, subject: Subject) -> bool:
        """Say whether it does."""
        return not self.part.holds(subject)


class Tree(Protocol[Made]):
    """Anything that leads to an action."""

    def find(self, subject: Subject) -> Made | None:
        """Return the action for a request; `None` if nothing matches."""
        ...


@dataclass(frozen=True, slots=True)
class Leaf(Generic[Action]):
    """Where a match leads: an action."""

    action: Action

    def find(self, subject: Subject) -> Action | None:  # noqa: ARG002 - as the others
        """Return the action."""
        return self.action


@dataclass(frozen=True, slots=True)
class Skip(Generic[Action]):
    """A match that is passed over (`keep_matching`): the search goes on."""

    def find(self, subject: Subject) -> Action | None:  # noqa: ARG002 - as the others
        """Return nothing."""
        return None


@dataclass(frozen=True, slots=True)
class ListTree(Generic[Action]):
    """Conditions in order; what matches but leads nowhere is passed over."""

    entries: tuple[tuple[Predicate, Tree[Action]], ...]
    otherwise: Tree[Action] | None

    def find(self, subject: Subject) -> Action | None:
        """Return the action for a request; `None` if nothing matches."""
        for predicate, tree in self.entries:
            if predicate.holds(subject):
                found = tree.find(subject)
                if found is not None:
                    return found
        return self.otherwise.find(subject) if self.otherwise is not None else None


@dataclass(frozen=True, slots=True)
class MapTree(Generic[Action]):
    """A map, by one input."""

    input: Input
    entries: Mapping[str, Tree[Action]]
    by_prefix: bool
    otherwise: Tree[Action] | None

    def find(self, subject: Subject) -> Action | None:
        """Return the action for a request; `None` if nothing matches."""
        value = self.input.value(subject)
        if value is not None:
            lengths = range(len(value), -1, -1) if self.by_prefix else (len(value),)
            for length in lengths:
                tree = self.entries.get(value[:length])
                found = tree.find(subject) if tree is not None else None
                if found is not None:
                    return found
        return self.otherwise.find(subject) if self.otherwise is not None else None


@dataclass(frozen=True, slots=True)
class Range(Generic[Action]):
    """One range of a tree of addresses."""

    network: Network
    exclusive: bool
    """Whether it counts only as the narrowest range that an address is in."""
    leads: Tree[Action]


@dataclass(frozen=True, slots=True)
class RangeTree(Generic[Action]):
    """xds.type.matcher.v3.IPMatcher: the narrowest range of an address first."""

    input: Input
    ranges: tuple[Range[Action], ...]
    """The longest prefix first."""
    otherwise: Tree[Action] | None

    def find(self, subject: Subject) -> Action | None:
        """Return the action for a request; `None` if nothing matches."""
        value = self.input.value(subject)
        holding = [one for one in self.ranges if Ranges((one.network,)).matches(value or "")]
        for at, one in enumerate(holding):
            found = one.leads.find(subject) if not at or not one.exclusive else None
            if found is not None:
                return found
        return self.otherwise.find(subject) if self.otherwise is not None else None
