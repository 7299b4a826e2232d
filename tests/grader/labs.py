"""The lab that the grader is tried on, and workspaces for it."""

from __future__ import annotations

import shutil
from pathlib import Path

from grader.lab import Lab
from grader.verify import answer
from tests.support.generated import ROOT

CANARY = ROOT / "labs" / "catalog" / "03-traffic" / "01-canary-release"
LAB = Lab.load(CANARY)
ATTEMPTS = ("start", "solution", *(each.name for each in LAB.wrong))
"""What is known of the lab: where one begins, what is right, what is plausible and wrong."""


def solved(folder: Path) -> Path:
    """Fill a folder with the lab's solution."""
    for name in LAB.files:
        shutil.copyfile(LAB.solution_folder / name, folder / name)
    return folder


def attempt(name: str, folder: Path) -> Path:
    """Return a folder with one of the `ATTEMPTS`."""
    if name in ("start", "solution"):
        return CANARY / name
    answer(LAB, name, folder)
    return folder
