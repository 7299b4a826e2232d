"""The files of the repository, as git knows them."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def tracked(*patterns: str) -> tuple[Path, ...]:
    """Return the tracked or new files that fit some patterns; all of them without one."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = (ROOT / line for line in told.splitlines())
    return tuple(path for path in dict.fromkeys(found) if path.is_file())


def name(path: Path) -> str:
    """Return a file's path below the root."""
    return path.relative_to(ROOT).as_posix()
