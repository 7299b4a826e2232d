"""The published schemas of what the grader reads and writes, made from its own models."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import TypeAdapter

from grader.evidence import Report
from grader.lab import LabFile

FOLDER = Path(__file__).parent / "schemas"


def schemas() -> dict[str, str]:
    """Return each schema's text by its file name."""
    models = {
        "lab.v1.json": LabFile.model_json_schema(by_alias=True),
        "report.v1.json": TypeAdapter(Report).json_schema(),
    }
    return {name: json.dumps(schema, indent=2) + "\n" for name, schema in models.items()}
