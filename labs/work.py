"""A learner's folder: what a lab's start and solution put there, never over other work."""

from __future__ import annotations

import shutil
from pathlib import Path

from grader.lab import Lab


class WorkError(Exception):
    """A folder that cannot take a lab's files; the message says what to try."""


def start(lab: Lab, folder: Path) -> tuple[Path, ...]:
    """Put what a learner begins with into a folder; return the files that were written.

    Files that are there with the same content are left alone. Raises WorkError, with
    nothing written, where one differs.
    """
    given = {folder / name: lab.folder / name for name in lab.given}
    return _put(given | {folder / name: lab.start_folder / name for name in lab.files})


def solve(lab: Lab, folder: Path) -> tuple[Path, ...]:
    """Put the solution into a folder, as `start` does. Raises WorkError."""
    given = {folder / name: lab.folder / name for name in lab.given}
    return _put(given | {folder / name: lab.solution_folder / name for name in lab.files})


def folder_of(lab: Lab, given: Path | None) -> Path:
    """Return where a learner works: as given, else the folder named after the lab, else this one.

    Raises WorkError for a folder that is not there.
    """
    usual = Path(lab.id)
    folder = given or (usual if usual.is_dir() else Path())
    if not folder.is_dir():
        raise WorkError(f"there is no folder {folder}. Try: meshdojo lab start {lab.id}")
    return folder


def _put(files: dict[Path, Path]) -> tuple[Path, ...]:
    missing = {to: origin for to, origin in files.items() if not _is_there(to, origin)}
    try:
        for to, origin in missing.items():
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(origin, to)
    except OSError as error:
        raise WorkError(f"{error.filename} cannot be written: {error.strerror}") from error
    return tuple(missing)


def _is_there(to: Path, origin: Path) -> bool:
    """Say whether a file is there already. Raises WorkError for one with other content."""
    if not to.exists():
        return False
    if not to.is_file() or to.read_bytes() != origin.read_bytes():
        message = f"{to} is there and differs; nothing was written. Try: another folder"
        raise WorkError(message)
    return True
