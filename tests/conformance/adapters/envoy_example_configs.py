"""Envoy's own example configurations: what it loads must load, what it refuses must be refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from simulator.envoy.bootstrap import load
from simulator.envoy.rejected import Rejected
from simulator.envoy_api import SchemaError
from tests.conformance.table import Case, Table


def cases(table: Table) -> Iterator[Case]:
    """Yield one case for each file of the index; without a verdict it must be read unharmed."""
    for name, told in table.data.items():
        path = table.folder / name
        yield Case(id=name, data=told, check=partial(_check, table.folder, path, told))


def _check(root: Path, path: Path, told: dict[str, Any]) -> str | None:
    verdict = told.get("envoy_1_40_validate")
    accepted = verdict == "ok"
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict):
            return "it should load" if accepted else None
        loaded = load(value, _known(root, path.parent))
    except (yaml.YAMLError, SchemaError, Rejected) as error:
        return f"it should load: {error}" if accepted else None
    if verdict == "error":
        return "it should be refused, and it is not"
    others = [each for each in loaded.diagnostics if each.code != "not-simulated"]
    return f"unexpected {others[0]}" if others else None


def _known(*folders: Path) -> Callable[[str], bool]:
    return lambda name: any((folder / name).exists() for folder in folders)
