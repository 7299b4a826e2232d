"""Which fields of Envoy's API the cases test: where they are set, and where they decide.

A field decides a case if `explain` names it, or if without it the simulated outcome would
be another. What is required is left out together with what it belongs to.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.descriptor import Descriptor

from sandbox.fidelity.generate.case import Json
from sandbox.fidelity.silent import SILENT
from simulator.envoy.compile.listeners import listener as compile_listener
from simulator.envoy.rejected import Scope
from simulator.envoy_api import message, name_of, parse
from simulator.observe.explain import Node

_LISTENER = "envoy.config.listener.v3.Listener"
_ANY = "google.protobuf.Any"
_OWN_LANGUAGES = ("google.protobuf.S", "google.api.expr.")
"""Values and expressions: what they say is no field of Envoy's."""

Outcomes = Callable[[Json], Sequence[Any] | None]
"""What a listener's requests come to in the simulator; nothing where it would be refused."""


@dataclass(frozen=True, slots=True)
class Covered:
    """How often one field was set, and how often it decided."""

    field: str
    """`Message.field`"""
    occurred: int
    decided: int


@dataclass(frozen=True, slots=True)
class Place:
    """One field that is set in a listener."""

    path: str
    key: str
    steps: tuple[str | int, ...]
    """The way to it in the JSON form."""


def places(value: Json) -> list[Place]:
    """Return every field that is set in a listener."""
    return list(_places(value, message(_LISTENER).DESCRIPTOR, "", ()))


def _places(
    value: Any,  # noqa: ANN401 - JSON
    kind: Descriptor | None,
    path: str,
    steps: tuple[str | int, ...],
) -> Iterator[Place]:
    if not isinstance(value, Mapping) or kind is None:
        return
    if kind.full_name.startswith(_OWN_LANGUAGES):
        return
    if "@type" in value:
        kind = message(str(value["@type"]).rpartition("/")[2]).DESCRIPTOR
    for name, inner in value.items():
        found = kind.fields_by_name.get(name)
        if found is None:
            continue
        where, way = f"{path}.{name}" if path else name, (*steps, name)
        yield Place(where, f"{kind.name}.{name}", way)
        below = found.message_type
        if below is None:
            continue
        if below.GetOptions().map_entry:
            below = below.fields_by_name["value"].message_type
            for key, item in inner.items() if below is not None else ():
                yield from _places(item, below, f"{where}[{key}]", (*way, key))
        elif isinstance(inner, list):
            for at, item in enumerate(inner):
                yield from _places(item, below, f"{where}[{at}]", (*way, at))
        else:
            yield from _places(inner, below, where, way)


def named(node: Node | None) -> set[str]:
    """Return the paths of the fields that the reasons name, and of those they belong to."""
    found: set[str] = set()
    for each in _all(node) if node is not None else ():
        if each.field is not None:
            path = each.field.path
            while path:
                found.add(path)
                path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return found


def _all(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _all(child)


def without(value: Json, steps: Sequence[str | int]) -> Json:
    """Return a JSON value that lacks what stands at the end of a way."""
    copy: Json = json.loads(json.dumps(value))
    inner: Any = copy
    for step in steps[:-1]:
        inner = inner[step]
    del inner[steps[-1]]
    return copy


@dataclass(slots=True)
class Coverage:
    """Counts, over all cases."""

    enough: int
    """A field that decided so often is not looked for any more."""
    occurred: Counter[str] = field(default_factory=Counter)
    decided: Counter[str] = field(default_factory=Counter)
    read: dict[str, frozenset[str]] = field(default_factory=dict)
    """The fields that the simulator reads, by message."""

    def add(
        self, value: Json, outcomes: Sequence[Any], nodes: Sequence[Node | None], again: Outcomes
    ) -> None:
        """Count a listener and its requests."""
        found = places(value)
        self._note_read(value)
        explained = [named(node) for node in nodes]
        for key in {each.key for each in found}:
            self.occurred[key] += len(outcomes)
        deciding: dict[str, set[int]] = {}
        for each in found:
            those = {at for at, paths in enumerate(explained) if each.path in paths}
            deciding.setdefault(each.key, set()).update(those)
        changed: dict[tuple[str | int, ...], set[int] | None] = {}
        for each in found:
            if self.decided[each.key] + len(deciding[each.key]) < self.enough:
                deciding[each.key] |= _changed(value, each.steps, outcomes, again, changed)
        for key, cases in deciding.items():
            self.decided[key] += len(cases)

    def result(self) -> tuple[Covered, ...]:
        """Return what is known of each field that the simulator reads."""
        wanted = {f"{kind}.{name}" for kind, names in self.read.items() for name in names}
        return tuple(
            Covered(key, self.occurred[key], self.decided[key])
            for key in sorted(wanted)
            if key not in SILENT
        )

    def _note_read(self, value: Json) -> None:
        scope = _Noting("listeners", "l")
        compile_listener(parse({"name": "l", **value}, _LISTENER), scope)
        for kind, names in scope.read.items():
            self.read[kind] = self.read.get(kind, frozenset()) | names
        for found in _kinds(value, message(_LISTENER).DESCRIPTOR):
            if found.name not in self.read:
                self.read[found.name] = frozenset(
                    each.name for each in found.fields if not each.GetOptions().deprecated
                )


def _changed(
    value: Json,
    steps: tuple[str | int, ...],
    outcomes: Sequence[Any],
    again: Outcomes,
    known: dict[tuple[str | int, ...], set[int] | None],
) -> set[int]:
    """Return the requests that fare otherwise without a field, or without what it is part of."""
    while steps:
        if steps not in known:
            other = again(without(value, steps))
            known[steps] = (
                None
                if other is None
                else {at for at, one in enumerate(outcomes) if one != other[at]}
            )
        found = known[steps]
        if found is not None:
            return found
        steps = steps[:-1]
    return set()


@dataclass(frozen=True, slots=True)
class _Noting(Scope):
    """Notes which fields the compiler reads."""

    read: dict[str, frozenset[str]] = field(default_factory=dict)

    def only(self, message: Any, modelled: str) -> None:  # noqa: ANN401 - protobuf
        kind = name_of(message).rpartition(".")[2]
        self.read[kind] = self.read.get(kind, frozenset()) | frozenset(modelled.split())


def _kinds(value: Any, kind: Descriptor | None) -> Iterator[Descriptor]:  # noqa: ANN401 - JSON
    """Yield every message type that occurs."""
    if not isinstance(value, Mapping) or kind is None:
        return
    if kind.full_name.startswith(_OWN_LANGUAGES):
        return
    if "@type" in value:
        kind = message(str(value["@type"]).rpartition("/")[2]).DESCRIPTOR
    if kind.full_name != _ANY and not kind.full_name.startswith("google.protobuf."):
        yield kind
    for name, inner in value.items():
        found = kind.fields_by_name.get(name)
        below = found.message_type if found is not None else None
        if below is None:
            continue
        items = inner if isinstance(inner, list) else [inner]
        if below.GetOptions().map_entry:
            below = below.fields_by_name["value"].message_type
            items = list(inner.values()) if below is not None else []
        for item in items:
            yield from _kinds(item, below)
