"""Istio's analysers on files: which messages, about which resources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from simulator.config.load import load
from simulator.diagnostics import Diagnostic
from simulator.istiod.analyze import ANALYZERS
from simulator.istiod.registry import Mesh
from tests.conformance.table import Case, Table


def cases(table: Table) -> Iterator[Case]:
    """Yield one case for each analyser and its files; the catalogue of codes holds none."""
    if isinstance(table.data, dict):
        for each in table.data["cases"]:
            check = partial(_check, each, table.folder)
            yield Case(id=each["name"], data=each, check=check)


def _check(case: dict[str, Any], folder: Path) -> str | None:
    name = case["analyzer"]["name"]
    checks = ANALYZERS.get(name)
    if checks is None:
        return f"{name} is not modelled"
    manifests = load([str(folder / each) for each in case["input_files"]])
    mesh = Mesh.as_written(manifests)
    found = Counter(_message(each) for check in checks for each in check(mesh))
    wanted = Counter(
        (each["code"], each["resource"].replace(" default/", " ")) for each in case["expected"]
    )
    if found == wanted:
        return None
    errors = [str(each) for each in manifests.diagnostics if each.level == "error"][:3]
    return f"missing {wanted - found}, unexpected {found - wanted}; {errors}"


def _message(diagnostic: Diagnostic) -> tuple[str, str]:
    kind, _, name = diagnostic.resource.partition(" ")
    name, _, namespace = name.rpartition(".")
    # The cases leave out the namespace where the file does.
    place = f"{namespace}/" if name and namespace != "default" else ""
    return diagnostic.code, f"{kind} {place}{name or namespace}"
