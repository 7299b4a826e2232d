"""Publish the formats of files that people write and read: `python -m simulator.config.schemas`.

Each is generated from its model into `simulator/schemas/NAME.vN.json`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from simulator.config.manifest_schema import manifest_schema
from simulator.config.scenario import ScenarioFile
from simulator.observe.observation import Observation

FOLDER = Path(__file__).resolve().parents[1] / "schemas"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def texts() -> dict[str, str]:
    """Return every schema's text, by its file's name."""
    return {
        "scenario.v1.json": _text(ScenarioFile.model_json_schema(), "scenario"),
        "manifest.v1.json": _text(manifest_schema(), "manifest"),
        "observation.v1.json": _text(TypeAdapter(Observation).json_schema(), "observation"),
    }


def write() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


def _text(schema: dict[str, Any], title: str) -> str:
    whole = {"$schema": _DIALECT, **_present(schema), "title": title}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _present(schema: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """Return a schema without null: what there is none of is left out of the files."""
    if isinstance(schema, list):
        return [_present(each) for each in schema if each != {"type": "null"}]
    if not isinstance(schema, dict):
        return schema
    found = {key: _present(value) for key, value in schema.items() if value is not None}
    members = found.get("anyOf")
    if isinstance(members, list) and len(members) == 1:
        del found["anyOf"]
        # What is said beside a reference stays beside it.
        found = {**members[0], **found}
    return found


if __name__ == "__main__":
    write()
