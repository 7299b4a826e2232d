"""Labels: what may be one, and how they are written in a message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator.istiod.analysis.report import listed
from simulator.istiod.validation import syntax


def _valid(row: Mapping[str, Any]) -> tuple[bool, bool]:
    return syntax.labels(row.get("tags") or {}) is None, row["valid"]


def _text(row: Mapping[str, Any]) -> tuple[str, str]:
    return listed(row.get("input") or {}), row["expected"]


CHECKS = {"TestInstanceValidate": _valid, "TestString": _text}
