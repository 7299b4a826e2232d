"""Documents that the schemas of Istio's kinds accept or refuse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from simulator.config.load import load_texts
from tests.conformance.table import Case, Table

_PLACE = re.compile(r"^(spec(?:\.[\w\[\]]+)*?)(?: in body|:)")
_MARK = re.compile(r"^_err:.*\n", re.MULTILINE)


def cases(table: Table) -> Iterator[Case]:
    """Yield one case a document."""
    for each in table.data:
        text = _document(table.folder / each["file"], each["index"])
        # One document's text is read as something else by most readers; its kind tells.
        data = {**each, "document": yaml.safe_load(text)}
        yield Case(
            id=f"{each['file']} #{each['index']}", data=data, check=partial(_check, each, text)
        )


def _document(path: Path, index: int) -> str:
    documents = re.split(r"^---\s*$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [each for each in documents if each.strip()][index]


def _check(case: dict[str, Any], text: str) -> str | None:
    manifests = load_texts([("case.yaml", _MARK.sub("", text))])
    errors = [each for each in manifests.diagnostics if each.level == "error"]
    if case["valid"]:
        return None if not errors else f"refused: {errors[0]}"
    if not errors:
        return f"accepted, in spite of: {case['error_contains']}"
    place = _PLACE.match(case["error_contains"])
    if place is not None and not any(_near(each.field, place[1]) for each in errors):
        return f"refused for something else: {[str(each) for each in errors]}"
    return None


def _near(field: str, place: str) -> bool:
    """Say whether a finding is about a field, what holds it, or a part of it."""
    return field.startswith(place) or place.startswith(field)
