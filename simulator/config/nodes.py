"""A YAML document as a tree that remembers where each part was written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.diagnostics import Position

_ITEM = re.compile(r"\[(\d{1,9})\]")


@dataclass(slots=True, kw_only=True)
class Node:
    """A scalar; lines and columns count from 1."""

    line: int
    column: int
    size: int = 1
    """How many nodes it stands for, with every alias written out."""

    def plain(self) -> Any:  # noqa: ANN401 - any value of a document
        """Return the value as plain Python data."""
        raise NotImplementedError


@dataclass(slots=True, kw_only=True)
class Scalar(Node):
    """Text, a number, a truth value or null."""

    value: str | int | float | bool | None

    def plain(self) -> Any:  # noqa: ANN401
        """Return the value."""
        return self.value


@dataclass(slots=True, kw_only=True)
class Sequence(Node):
    """A list."""

    items: list[Node] = field(default_factory=list)

    def plain(self) -> list[Any]:
        """Return the items' values."""
        return [each.plain() for each in self.items]


@dataclass(slots=True, kw_only=True)
class Entry:
    """One field of a mapping: where its name stands, and its value."""

    line: int
    column: int
    node: Node


@dataclass(slots=True, kw_only=True)
class Mapped(Node):
    """A mapping, its keys made text."""

    entries: dict[str, Entry] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Return the fields' values; one that is null counts as absent, as in Kubernetes."""
        found = {}
        for name, entry in self.entries.items():
            node = entry.node
            if isinstance(node, Scalar):
                if node.value is not None:
                    found[name] = node.value
            else:
                found[name] = node.plain()
        return found

    def find(self, path: str) -> tuple[str, Entry] | None:
        """Return the field that `path` begins with, by its longest name, with its own name."""
        head = path.partition(".")[0].partition("[")[0]
        if head == path or (head in self.entries and "." not in path[len(head) :]):
            entry = self.entries.get(head)
            return (head, entry) if entry is not None else None
        # Names such as `app.kubernetes.io/name` have dots of their own.
        names = [
            name
            for name in self.entries
            if path.startswith(name) and path[len(name) : len(name) + 1] in {"", ".", "["}
        ]
        if not names:
            return None
        longest = max(names, key=len)
        return longest, self.entries[longest]


@dataclass(frozen=True, slots=True)
class Positions(Mapping[str, Position]):
    """Positions by field path, such as `spec.http[0].route[1].weight`.

    A field stands where its value does if that begins on the name's line, else where its
    name does. Looked up in the tree: a document's tens of thousands are never all wanted.
    """

    file: str
    root: Node

    def __getitem__(self, path: str) -> Position:
        """Return the position of a path. Raises KeyError for one that was not written."""
        entry, node, rest = self._walk(path)
        if rest:
            raise KeyError(path)
        return self._place(entry, node)

    def nearest(self, path: str) -> Position:
        """Return the position of a path, or of its nearest ancestor that was written."""
        entry, node, _ = self._walk(path)
        return self._place(entry, node)

    def name(self, path: str) -> Position:
        """Return the position of a field's name, or of the nearest ancestor that was written."""
        entry, node, rest = self._walk(path)
        if rest or entry is None:
            return self._place(entry, node)
        return Position(self.file, entry.line, entry.column)

    def __iter__(self) -> Iterator[str]:
        """Yield every path, parents first."""
        return self._paths("", self.root)

    def __len__(self) -> int:
        """Return the number of paths."""
        return sum(1 for _ in self)

    def _walk(self, path: str) -> tuple[Entry | None, Node, str]:
        """Return the last field on the way (None for an item), its node, what was not found."""
        entry: Entry | None = None
        node, rest = self.root, path
        while rest:
            if isinstance(node, Mapped) and (found := node.find(rest)) is not None:
                name, entry = found
                node, rest = entry.node, rest[len(name) :].removeprefix(".")
            elif isinstance(node, Sequence) and (step := _ITEM.match(rest)) is not None:
                at = int(step.group(1))
                if at >= len(node.items):
                    break
                entry, node = None, node.items[at]
                rest = rest[step.end() :].removeprefix(".")
            else:
                break
        return entry, node, rest

    def _place(self, entry: Entry | None, node: Node) -> Position:
        column = node.column if entry is None or node.line == entry.line else entry.column
        return Position(self.file, entry.line if entry is not None else node.line, column)

    def _paths(self, prefix: str, node: Node) -> Iterator[str]:
        if isinstance(node, Mapped):
            for name, entry in node.entries.items():
                path = f"{prefix}.{name}" if prefix else name
                yield path
                yield from self._paths(path, entry.node)
        elif isinstance(node, Sequence):
            for at, item in enumerate(node.items):
                yield f"{prefix}[{at}]"
                yield from self._paths(f"{prefix}[{at}]", item)


@dataclass(frozen=True, slots=True)
class Borrowed(Positions):
    """Positions of an object that was made of parts of others."""

    parts: tuple[tuple[str, Positions, str], ...]
    """A path of the object, and what stands there: another's positions and path."""

    @classmethod
    def of(cls, base: Positions, parts: Iterable[tuple[str, Positions, str]]) -> Borrowed:
        """Return the positions of an object that is `base` but for some parts."""
        return cls(base.file, base.root, tuple(parts))

    def nearest(self, path: str) -> Position:
        """Return the position of what stands at a path, or at its nearest ancestor."""
        for prefix, positions, place in self.parts:
            if path == prefix or path.startswith((f"{prefix}.", f"{prefix}[")):
                return positions.nearest(place + path[len(prefix) :])
        return Positions.nearest(self, path)
