"""Generated files are what would be generated today."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.generated import ROOT, files

FILES = files()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_generated_file_is_up_to_date(path: Path) -> None:
    assert path.exists(), "run: make docs"
    assert path.read_text(encoding="utf-8") == FILES[path], "run: make docs"


def test_no_schema_lies_about_without_a_model() -> None:
    published = {*ROOT.glob("*/schemas/*.json")}

    assert published <= {*FILES}
