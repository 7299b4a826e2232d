"""Make trees of a YAML parser's events, counting them first.

Follows   sigs.k8s.io/yaml goyaml.v2/decode.go (merge keys, names made text)
"""

from __future__ import annotations

from typing import Any

import yaml

from simulator.config.nodes import Entry, Mapped, Node, Scalar, Sequence
from simulator.config.scalar import TAGS, ScalarError, resolve
from simulator.diagnostics import Diagnostic, Position, diagnose

MOST_NODES = 500_000
MOST_ALIASED = 100_000
"""Nodes that aliases and merge keys may add, were they written out."""
MOST_DOCUMENTS = 10_000
DEEPEST = 64

_MERGE = "tag:yaml.org,2002:merge"
_COLLECTIONS = frozenset({"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq", "!"})


class RefusedError(Exception):
    """The rest of the file is not worth reading; `diagnostic` says why."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(str(diagnostic))
        self.diagnostic = diagnostic


class _Open:
    """A collection whose end has not come yet."""

    __slots__ = ("anchor", "key", "merges", "node")

    def __init__(self, node: Mapped | Sequence, anchor: str | None) -> None:
        self.node = node
        self.anchor = anchor
        self.key: Node | None = None
        self.merges: list[Node] = []


class Composer:
    """Takes a loader's events; `roots` are the whole documents so far."""

    def __init__(self, file: str) -> None:
        self.roots: list[Node] = []
        self.diagnostics: list[Diagnostic] = []
        self._file = file
        self._open: list[_Open] = []
        self._anchors: dict[str, Node | None] = {}
        self._nodes = 0
        self._aliased = 0

    def feed(self, loader: yaml.CSafeLoader) -> None:
        """Read every event. Raises RefusedError, yaml.YAMLError."""
        while True:
            event: Any = loader.get_event()
            if isinstance(event, yaml.ScalarEvent):
                self._scalar(event)
            elif isinstance(event, yaml.MappingStartEvent):
                line, column = _mark(event)
                self._start(event, Mapped(line=line, column=column))
            elif isinstance(event, yaml.SequenceStartEvent):
                line, column = _mark(event)
                self._start(event, Sequence(line=line, column=column))
            elif isinstance(event, yaml.CollectionEndEvent):
                self._end()
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event)
            elif isinstance(event, yaml.DocumentStartEvent):
                self._anchors = {}
                if len(self.roots) >= MOST_DOCUMENTS:
                    raise self._refused("too-large", event, what="documents", limit=MOST_DOCUMENTS)
            elif isinstance(event, yaml.StreamEndEvent):
                return

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        tag = event.tag
        line, column = _mark(event)
        node = Scalar(line=line, column=column, value=event.value)
        self._count(event)
        if tag not in TAGS and tag not in {None, "!", _MERGE}:
            self._say("unknown-tag", node, tag=tag)
        elif tag != _MERGE:
            try:
                node.value = resolve(event.value, plain=not event.style, tag=tag)
            except ScalarError as error:
                self._say("bad-scalar", node, problem=str(error))
        self._anchor(event.anchor, node)
        merge = event.value == "<<" and (tag == _MERGE or (tag is None and not event.style))
        self._add(node, merge=merge)

    def _start(self, event: yaml.NodeEvent, node: Mapped | Sequence) -> None:
        self._count(event)
        tag = getattr(event, "tag", None)
        if tag is not None and tag not in _COLLECTIONS:
            self._say("unknown-tag", node, tag=tag)
        if len(self._open) >= DEEPEST:
            raise self._refused("too-deep", event, limit=DEEPEST)
        if event.anchor is not None:
            # Known, but without a value until its end: an alias inside would have none.
            self._anchors[event.anchor] = None
        self._open.append(_Open(node, event.anchor))

    def _end(self) -> None:
        closed = self._open.pop()
        node = closed.node
        if isinstance(node, Mapped) and closed.merges:
            self._merge(node, closed.merges)
        self._anchor(closed.anchor, node)
        self._add(node, merge=False)

    def _alias(self, event: yaml.AliasEvent) -> None:
        name = event.anchor or ""
        place = Position(self._file, *_mark(event))
        if name not in self._anchors:
            raise RefusedError(diagnose("unknown-anchor", position=place, anchor=name))
        node = self._anchors[name]
        if node is None:
            raise RefusedError(diagnose("endless-anchor", position=place, anchor=name))
        self._count(event)
        self._expand(node.size, place)
        self._add(node, merge=False)

    def _expand(self, size: int, place: Position) -> None:
        self._aliased += size
        if self._aliased > MOST_ALIASED:
            raise RefusedError(diagnose("alias-bomb", position=place, limit=MOST_ALIASED))

    def _add(self, node: Node, *, merge: bool) -> None:
        if not self._open:
            self.roots.append(node)
            return
        top = self._open[-1]
        parent = top.node
        parent.size += node.size
        if isinstance(parent, Sequence):
            parent.items.append(node)
        elif top.key is None:
            top.key = node
            if merge:
                # The key of a merge is marked by standing for itself.
                top.merges.append(node)
        elif top.merges and top.merges[-1] is top.key:
            top.merges[-1] = node
            top.key = None
        else:
            self._field(parent, top.key, node)
            top.key = None

    def _field(self, parent: Mapped | Sequence, key: Node, node: Node) -> None:
        assert isinstance(parent, Mapped)
        name = _name(key)
        if name is None:
            self._say("bad-key", key)
        elif name in parent.entries:
            first = parent.entries[name].line
            self._say("duplicate-key", key, name=name, first=first)
        else:
            parent.entries[name] = Entry(line=key.line, column=key.column, node=node)

    def _merge(self, node: Mapped, merges: list[Node]) -> None:
        for merged in merges:
            sources = merged.items if isinstance(merged, Sequence) else [merged]
            for source in sources:
                if not isinstance(source, Mapped):
                    self._say("bad-merge", source)
                    continue
                place = Position(self._file, source.line, source.column)
                self._expand(len(source.entries), place)
                # What is written in the mapping itself wins, and an earlier merge over a later.
                for name, entry in source.entries.items():
                    if name not in node.entries:
                        node.entries[name] = entry

    def _anchor(self, name: str | None, node: Node) -> None:
        if name is not None:
            self._anchors[name] = node

    def _count(self, event: yaml.Event) -> None:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise self._refused("too-large", event, what="values", limit=MOST_NODES)

    def _refused(self, code: str, event: yaml.Event, **arguments: Any) -> RefusedError:  # noqa: ANN401 - the wording's own
        place = Position(self._file, *_mark(event))
        return RefusedError(diagnose(code, position=place, file=self._file, **arguments))

    def _say(self, code: str, node: Node, **arguments: Any) -> None:  # noqa: ANN401 - the wording's own
        place = Position(self._file, node.line, node.column)
        self.diagnostics.append(diagnose(code, position=place, **arguments))


def _mark(event: yaml.Event) -> tuple[int, int]:
    mark: Any = event.start_mark
    return mark.line + 1, mark.column + 1


def _name(key: Node) -> str | None:
    if not isinstance(key, Scalar) or key.value is None:
        return None
    if isinstance(key.value, bool):
        return "true" if key.value else "false"
    return str(key.value)
