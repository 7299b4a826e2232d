"""The project speaks of itself alone, and names things as the field does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.tree.tracked import ROOT, name, tracked

_OTHER = {".png", ".ipynb", ".ico"}
TEXTS = [path for path in tracked() if path.suffix not in _OTHER and path.name != "LICENSE"]
_MACHINE_PATH = re.compile(r"(?<![\w.])/(?:work/(?:main|shared)|farm|root|home/\w+)/")
_UNFINISHED = re.compile(r"\b(?:TO[D]O|FIX[M]E|XX[X])\b")
_VAGUE = {"utils", "helpers", "common", "manager", "base", "constants", "misc"}


@pytest.mark.parametrize("path", TEXTS, ids=name)
def test_a_file_names_no_machine_and_leaves_nothing_open(path: Path) -> None:
    text = path.read_text(encoding="utf-8", errors="replace")

    assert _MACHINE_PATH.findall(text) == []
    assert _UNFINISHED.findall(text) == []


def test_no_module_has_a_vague_name() -> None:
    assert [name(path) for path in tracked("*.py") if path.stem in _VAGUE] == []


def test_only_the_known_folders_stand_at_the_top() -> None:
    tops = {name(path).split("/")[0] for path in tracked() if path.parent != ROOT}

    folders = {".ci", "docs", "grader", "labs", "notebooks", "sandbox", "simulator", "tests"}
    assert tops == folders
