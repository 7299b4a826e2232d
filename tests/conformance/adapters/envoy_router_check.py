"""Envoy's route table check tool: route configurations and what requests find in them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import yaml

from simulator.envoy.route_check import check
from tests.conformance.table import Case, Table


def cases(table: Table) -> Iterator[Case]:
    """Yield the tool's tests; some are meant to fail."""
    configs: dict[str, Any] = {}
    for at, one in enumerate(table.data["cases"]):
        if one["config"] not in configs:
            text = (table.folder / one["config"]).read_text(encoding="utf-8")
            configs[one["config"]] = yaml.safe_load(text)
        config = configs[one["config"]]
        name = f"#{at} {one['config']} {one['name']}"
        yield Case(id=name, data=[one, config], check=partial(_check, one, config))


def _check(one: dict[str, Any], config: Any) -> str | None:
    test = {"test_name": one["name"], "input": one["input"], "validate": one["validate"]}
    failures = check(config, {"tests": [test]}).results[0].failures
    if one["expect_pass"]:
        return "; ".join(failures) or None
    return None if failures else "the tool's test should fail, and it passes"
