"""Conditions on what filters left behind: dynamic metadata and filter state.

Models    envoy.type.matcher.v3.{MetadataMatcher, ValueMatcher, FilterStateMatcher}
Follows   envoy/source/common/common/matchers.cc
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from simulator.envoy.chain_match import Network
from simulator.envoy.match import StringMatcher, Subject

ABSENT = object()
"""What stands for a value that is not there; it is no null."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueMatcher:
    """envoy.type.matcher.v3.ValueMatcher; `kind` names the field that is set."""

    kind: str
    text: StringMatcher | None = None
    number: float | tuple[float, float] = 0.0
    """One number, or a half-open range."""
    flag: bool = False
    """What `bool_match` or `present_match` asks for."""
    alternatives: tuple[ValueMatcher, ...] = ()
    """Of `or_match`; the one of `list_match`."""

    def matches(self, value: Any) -> bool:  # noqa: ANN401 - any JSON value
        """Say whether a JSON value, or what is `ABSENT`, is as asked."""
        match self.kind:
            case "null_match":
                return value is None
            case "present_match":
                return (value is not ABSENT and value is not None) == self.flag
            case "bool_match":
                return isinstance(value, bool) and value == self.flag
            case "string_match":
                return self.text is not None and isinstance(value, str) and self.text.matches(value)
            case "double_match":
                return self._number(value)
            case "list_match":
                return isinstance(value, list) and any(
                    self.alternatives[0].matches(item) for item in value
                )
        return any(one.matches(value) for one in self.alternatives)

    def _number(self, value: Any) -> bool:  # noqa: ANN401 - any JSON value
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        if isinstance(self.number, tuple):
            return self.number[0] <= value < self.number[1]
        return value == self.number


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataMatcher:
    """envoy.type.matcher.v3.MetadataMatcher."""

    filter: str
    path: tuple[str, ...]
    value: ValueMatcher
    invert: bool
    field: str

    def holds(self, subject: Subject) -> bool:
        """Say whether the stream's dynamic metadata is as asked."""
        return self.value.matches(self.find(subject)) != self.invert

    def why(self, subject: Subject) -> str:
        """Return why it does not hold, for a learner."""
        where = ".".join((self.filter, *self.path))
        found = self.find(subject)
        shown = "absent" if found is ABSENT else repr(found)
        return f"the dynamic metadata {where} is {shown}, which is not as asked"

    def find(self, subject: Subject) -> Any:  # noqa: ANN401 - any JSON value
        """Return what stands there, or `ABSENT`."""
        value: Any = subject.info.metadata.get(self.filter)
        for step in self.path:
            if not isinstance(value, Mapping) or step not in value:
                return ABSENT
            value = value[step]
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterStateMatcher:
    """envoy.type.matcher.v3.FilterStateMatcher; `text` or `networks` is set."""

    key: str
    field: str
    text: StringMatcher | None = None
    networks: tuple[Network, ...] = ()
    invert: bool = False
    """`address_match.invert_match`"""

    def holds(self, subject: Subject) -> bool:
        """Say whether the filter state is as asked; an absent object is not."""
        value = subject.info.filter_state.get(self.key)
        if value is None:
            return False
        if self.text is not None:
            return self.text.matches(value)
        try:
            address = ip_address(value.rpartition(":")[0] if value.count(":") == 1 else value)
        except ValueError:
            return False
        return any(address in network for network in self.networks) != self.invert

    def why(self, subject: Subject) -> str:
        """Return why it does not hold, for a learner."""
        value = subject.info.filter_state.get(self.key)
        if value is None:
            return f"the filter state has no {self.key}"
        relation = self.text.relation() if self.text is not None else "is not in the ranges asked"
        return f'the filter state {self.key} is "{value}", which {relation}'
