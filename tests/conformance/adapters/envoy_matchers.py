"""Envoy's header matchers: matchers, ordered headers, and whether they match."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from simulator.envoy.compile.matchers import header_matcher
from simulator.envoy.rejected import Rejected, Scope
from simulator.envoy_api import SchemaError, parse
from tests.conformance.table import Case, Table


def cases(table: Table) -> Iterator[Case]:
    """Yield the table's cases, and its matchers that must be refused."""
    for at, one in enumerate(table.data["cases"]):
        yield Case(id=f"#{at} {one['test']}", data=one, check=partial(_check, one))
    for at, one in enumerate(table.data.get("rejected", ())):
        yield Case(id=f"rejected #{at}", data=one, check=partial(_refused, one))


def _compile(value: Any) -> Any:
    message = parse(value, "envoy.config.route.v3.HeaderMatcher")
    return header_matcher(message, Scope("routes", "case"))


def _check(one: dict[str, Any]) -> str | None:
    def holds(value: Any) -> bool:
        matcher = _compile(value)
        values = [text for name, text in one["headers"] if name.lower() == matcher.name]
        return bool(matcher.matches(values))

    every = any if one["mode"] == "any" else all
    found = every([holds(value) for value in one["matchers"]])
    return None if found == one["expect"] else f"expected {one['expect']}, found {found}"


def _refused(one: dict[str, Any]) -> str | None:
    try:
        for value in one.get("matchers", [one.get("matcher", one)]):
            _compile(value)
    except (Rejected, SchemaError):
        return None
    return "it should be refused, and it is not"
