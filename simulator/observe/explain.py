"""Why a decision fell as it did: a tree of nodes, each pointing at the field behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What became of the thing that a node speaks of."""

    CHOSEN = "chosen"
    REJECTED = "rejected"
    NOTE = "note"
    """Neither: something that happened, such as an attempt or a flag."""


@dataclass(frozen=True, slots=True, order=True)
class FieldRef:
    """A field of an xDS resource."""

    kind: str
    """`listeners`, `routes`, `clusters` or `endpoints`, as on the command line."""
    resource: str
    """The resource's name, such as `9080`."""
    path: str = ""
    """Proto field names, such as `virtual_hosts[1].routes[0].route.timeout`."""

    def __str__(self) -> str:
        """Return `kind/resource#path`."""
        return f"{self.kind}/{self.resource}" + (f"#{self.path}" if self.path else "")


def below(field: FieldRef, path: str) -> FieldRef:
    """Return the field at `path` below another."""
    return FieldRef(field.kind, field.resource, f"{field.path}.{path}" if field.path else path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One decision, what came of it and why."""

    what: str
    """The kind of thing decided about, in Envoy's words: `listener`, `filter chain`,
    `virtual host`, `route`, `cluster`, `endpoint`, `fault`, `attempt`, `response` …"""
    name: str
    """Which one."""
    outcome: Outcome
    reason: str
    """A sentence for a learner."""
    field: FieldRef | None = None
    """The xDS field that caused it."""
    source: str | None = None
    """`file:line:column` of the manifest behind that field, where there is one."""
    children: tuple[Node, ...] = ()


Provenance = Mapping[FieldRef, str]
"""Which manifest position (`file:line:column`) caused which xDS field; a side table,
never on the wire. A field without an entry is caused by its nearest ancestor's."""


def source_of(provenance: Provenance, field: FieldRef) -> str | None:
    """Return the manifest position behind a field, or behind its nearest ancestor."""
    path = field.path
    while True:
        found = provenance.get(FieldRef(field.kind, field.resource, path))
        if found is not None or not path:
            return found
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
