"""The README's Python runs, in the folder of a lab that was just begun."""

from __future__ import annotations

import contextlib
import re
import shutil
from pathlib import Path

import pytest

from labs.catalogue import lab
from tests.tree.tracked import ROOT

BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_runs(block: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    canary = lab("canary-release")
    for name in canary.given:
        shutil.copy(canary.folder / name, tmp_path / name)
    for name in canary.files:
        shutil.copy(canary.start_folder / name, tmp_path / name)

    with contextlib.chdir(tmp_path):
        exec(block, {})

    assert capsys.readouterr().out == "200 reviews-v1.default\n"
