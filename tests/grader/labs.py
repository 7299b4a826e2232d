"""The lab that the grader is tried on, and workspaces for it."""

from __future__ import annotations

import shutil
from pathlib import Path

from grader.lab import Lab
from tests.support.generated import ROOT

CANARY = ROOT / "labs" / "catalog" / "03-traffic" / "01-canary-release"
LAB = Lab.load(CANARY)


def solved(folder: Path) -> Path:
    """Fill a folder with the lab's solution."""
    for name in LAB.files:
        shutil.copyfile(LAB.solution_folder / name, folder / name)
    return folder
