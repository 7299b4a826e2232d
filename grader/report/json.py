"""Marks as JSON (`report.v1`): the same marks give the same bytes."""

from __future__ import annotations

import json
from typing import Any

from grader.evidence import Report
from simulator.observe.observation import to_json


def document(report: Report) -> dict[str, Any]:
    """Return the report as JSON values; what is absent is left out."""
    value = to_json(report)
    assert isinstance(value, dict)
    return {**value, "outcome": str(report.outcome)}


def text(report: Report) -> str:
    """Return the report as one JSON document."""
    return json.dumps(document(report), indent=2, ensure_ascii=False) + "\n"
