"""The tables of third-party cases: how they are found, and what a case is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LISTS = ("cases", "tests", "scenarios", "rejected", "outbound", "inbound", "tables")
_UNUSABLE_KEYS = frozenset({"$func", "$sym", "config_expr", "custom_go_check", "needs_manual"})
_LACKING_KEYS = frozenset({"context_missing", "runtime_mocked"})
"""Flags of cases whose text leaves out what their outcome depends on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One file of cases."""

    family: str
    """Its path below the folder of all cases, without its ending; its folder if an index."""
    path: Path
    data: Any

    @property
    def folder(self) -> Path:
        """The folder in which the files that its cases name are found."""
        return self.path.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case, ready to be run."""

    id: str
    data: Any
    """All that the case says, its configuration included: exceptions go by what it holds."""
    check: Callable[[], str | None]
    """Returns why the case failed, or None."""


def tables(root: Path) -> Iterator[Table]:
    """Yield every case table below a folder, in the order of their names."""
    for path in sorted(root.rglob("*.json")):
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError:
            # Files that the cases speak of may be broken on purpose.
            continue
        if _is_table(path, data):
            below = path.relative_to(root)
            named = below.parent if path.stem == "index" else below.with_suffix("")
            yield Table(family=named.as_posix(), path=path, data=data)


def _is_table(path: Path, data: Any) -> bool:
    if path.stem == "index":
        return True
    if path.name.endswith(".golden.proto.json") or not isinstance(data, dict):
        return False
    return any(isinstance(data.get(name), list) for name in _LISTS)


def entries(data: Any) -> list[Any]:
    """Return the cases of a table whose form nothing is known about."""
    if isinstance(data, list):
        return data
    found: list[Any] = []
    lists = [data[name] for name in _LISTS if isinstance(data.get(name), list)]
    for one in lists:
        for item in one:
            rows = item.get("rows", item.get("calls")) if isinstance(item, dict) else None
            found += rows if isinstance(rows, list) else [item]
    return found if lists else list(data.values())


def unusable(data: Any) -> bool:
    """Say whether a case holds something that only its source could resolve."""
    if isinstance(data, Mapping):
        if any(key in _UNUSABLE_KEYS or (key in _LACKING_KEYS and data[key]) for key in data):
            return True
        return any(unusable(value) for value in data.values())
    if isinstance(data, list):
        return any(unusable(value) for value in data)
    return isinstance(data, str) and "${" in data


def keys(data: Any) -> set[str]:
    """Return every field name that a case holds, at any depth."""
    if isinstance(data, Mapping):
        return {str(key) for key in data}.union(*(keys(value) for value in data.values()))
    if isinstance(data, list):
        return set().union(*(keys(value) for value in data))
    return set()
