"""Known differences are written down, and what the code leaves out leads to one of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.generated import differences
from tests.tree.tracked import name, tracked

_ANCHOR = re.compile(r"docs/fidelity\.md#([a-z0-9-]+)")
IDS = [entry["id"] for entry in differences()]


@pytest.mark.parametrize("entry", differences(), ids=lambda entry: str(entry["id"]))
def test_an_entry_says_what_where_and_why(entry: dict[str, object]) -> None:
    assert set(entry) == {"id", "title", "fields", "source", "reason"}
    assert all(entry.values())


def test_ids_are_used_once() -> None:
    assert len(IDS) == len(set(IDS))


@pytest.mark.parametrize("path", tracked("*.py"), ids=name)
def test_what_a_module_leaves_out_is_written_down(path: Path) -> None:
    named = set(_ANCHOR.findall(path.read_text(encoding="utf-8")))

    assert named - set(IDS) == set()
