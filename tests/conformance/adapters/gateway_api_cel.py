"""What an API server must refuse of Gateway API, and about which fields and values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, partial
from typing import Any, get_args

import yaml
from pydantic import BaseModel

from simulator.config.kinds import KINDS
from simulator.config.load import load_texts
from simulator.diagnostics import Diagnostic, Level
from tests.conformance.table import Case, Table

_PROSE = frozenset(
    {"to", "in", "same", "set", "type", "value", "values", "http", "https", "1", "2"}
)
"""Names and numbers of the API that its messages use as plain words too."""


def cases(table: Table) -> Iterator[Case]:
    """Yield one case an object."""
    for at, one in enumerate(table.data["cases"]):
        yield Case(id=f"#{at} {one['name']}", data=one, check=partial(_check, one))


def _check(one: dict[str, Any]) -> str | None:
    loaded = load_texts([("case.yaml", yaml.safe_dump(one["object"]))])
    errors = [each for each in loaded.diagnostics if each.level is Level.ERROR]
    said = "; ".join(f"{each.field}: {each.message}" for each in errors)
    if one["valid"]:
        return f"it should be accepted: {said}" if errors or not loaded.objects else None
    for wanted in one["want_errors"]:
        if not any(_about(wanted) <= _facts(each) for each in errors):
            return f"no finding names {sorted(_about(wanted))}: {said or 'none at all'}"
    return None if errors else "it should be refused"


def _about(wanted: str) -> set[str]:
    """Return the facts of an API server's message: fields, constants, quoted values, numbers."""
    wanted = re.split(r"\(matching|in body should match", wanted)[0]
    quoted = set(re.findall(r'"([^"]+)"', wanted))
    words = {each.lower() for each in re.findall(r"[A-Za-z]+", wanted)}
    numbers = set(re.findall(r"(?<![\w[])\d+", wanted))
    facts = (words & _vocabulary()) | (numbers if not quoted else set())
    return quoted | (facts - _PROSE)


def _facts(diagnostic: Diagnostic) -> set[str]:
    text = f"{diagnostic.field} {diagnostic.message} {diagnostic.hint}"
    words = {each.lower() for each in re.findall(r"[A-Za-z]+|\d+", text)}
    return words | set(re.findall(r"'([^']+)'", text))


@cache
def _vocabulary() -> frozenset[str]:
    """Return the names of the API's fields and the constants that these take."""
    found: set[str] = set()
    for kind in KINDS.values():
        if any("gateway" in version for version in kind.versions):
            _collect(kind.spec, found)
    return frozenset(found)


def _collect(annotation: Any, found: set[str]) -> None:
    if isinstance(annotation, str):
        found.add(annotation.lower())
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            found.add((field.alias or name).lower())
            _collect(field.annotation, found)
    else:
        for inner in get_args(annotation):
            _collect(inner, found)
