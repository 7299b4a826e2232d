"""Rows of Istio's own unit tests, put to our functions of the same meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from tests.conformance.adapters.unit_rows import (
    gateways,
    hosts,
    labels,
    policies,
    routes,
    security,
)
from tests.conformance.table import Case, Table

_CHECKS: Mapping[str, Any] = {
    **gateways.CHECKS,
    **hosts.CHECKS,
    **labels.CHECKS,
    **policies.CHECKS,
    **routes.CHECKS,
    **security.CHECKS,
}
"""By the name of the test: what our function makes of a row, and what it should."""


def cases(table: Table) -> Iterator[Case]:
    """Yield one case a row."""
    for one in table.data["tables"]:
        for at, row in enumerate(one["cases"]):
            name = f"{one['test']} #{at} {row.get('name', '')}".strip()
            yield Case(id=name, data=row, check=partial(_check, one["test"], row))


def _check(test: str, row: dict[str, Any]) -> str | None:
    check = _CHECKS.get(test)
    if check is None:
        return "no function of ours has this meaning"
    got, want = check(row)
    return None if got == want else f"expected {want}, got {got}"
