"""Say something about a field of an object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator.config.objects import Object
from simulator.diagnostics import Diagnostic, diagnose


def listed(labels: Mapping[str, str]) -> str:
    """Return labels as `name=value`, in the order of their names."""
    return ",".join(f"{name}={value}" if value else name for name, value in sorted(labels.items()))


def report(code: str, source: Object, field: str, **arguments: Any) -> Diagnostic:  # noqa: ANN401 - the wording's own
    """Return the finding `code` about a field."""
    return diagnose(code, position=source.at(field), resource=source.ref, field=field, **arguments)


def scopes(export_to: tuple[str, ...], namespace: str) -> frozenset[str]:
    """Return the namespaces that `exportTo` names; `*` alone for all."""
    if not export_to or "*" in export_to:
        return frozenset({"*"})
    return frozenset(namespace if each == "." else each for each in export_to)
