"""Prove a lab before a learner sees it.

The start fails as declared, the solution passes everything, each wrong answer is refused
by its own checks and for its own reason, every check has its hints, nothing is left over.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from grader.evidence import Engine, Outcome, Report
from grader.grade import grade
from grader.lab import HINT_LEVELS, Lab, Wrong

TryOut: TypeAlias = Callable[[Path], Report]
"""Marks a folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """One thing that was to be proved of a lab."""

    what: str
    """Such as `solution` or `wrong/catch-all-first`."""
    outcome: Outcome
    reason: str = ""
    report: Report | None = None


def verify(
    lab: Lab,
    engine: Engine | str = Engine.SIM,
    progress: Callable[[str], None] | None = None,
    executor: Executor | None = None,
) -> Iterator[Proof]:
    """Yield what was proved, in order, as it comes; an executor tries several at a time."""
    yield _proof("files", list(_stray_files(lab)))
    yield _proof("hints", list(_missing_hints(lab)))
    try_out = partial(grade, lab, engine=engine, progress=progress)
    steps = [partial(_start, lab), partial(_solution, lab)]
    steps += [partial(_wrong, lab, wrong) for wrong in lab.wrong]
    yield from (executor.map if executor else map)(lambda step: step(try_out), steps)


def answer(lab: Lab, name: str, folder: Path) -> None:
    """Fill a folder with a wrong answer: its own files, and the solution's for the rest."""
    for file in lab.files:
        own = lab.wrong_folder(name) / file
        shutil.copyfile(own if own.exists() else lab.solution_folder / file, folder / file)


def _proof(what: str, complaints: list[str], report: Report | None = None) -> Proof:
    outcome = Outcome.FAILED if complaints else Outcome.PASSED
    return Proof(what=what, outcome=outcome, reason="; ".join(complaints), report=report)


def _stray_files(lab: Lab) -> Iterator[str]:
    declared = {Path(name) for name in ("lab.yaml", "README.md", "hints.md", *lab.given)}
    folders = ["start", "solution", *(f"wrong/{each.name}" for each in lab.wrong)]
    declared |= {Path(folder) / file for folder in folders for file in lab.files}
    found = {path.relative_to(lab.folder) for path in lab.folder.rglob("*") if path.is_file()}
    yield from (f"{path} is not declared in lab.yaml" for path in sorted(found - declared))
    needed = {path for path in declared if path.parts[0] != "wrong"}
    yield from (f"{path} is missing" for path in sorted(needed - found))
    for each in lab.wrong:
        if not any((lab.wrong_folder(each.name) / file).exists() for file in lab.files):
            yield f"wrong/{each.name} differs from the solution in nothing"


def _missing_hints(lab: Lab) -> Iterator[str]:
    ids = [check.id for check in lab.checks]
    for name in ids:
        number = len(lab.hints.get(name, ()))
        if number != HINT_LEVELS:
            yield f"{name} has {number} hints, not {HINT_LEVELS}"
    yield from (f"there are hints for {name}, which is no check" for name in lab.hints.keys() - ids)


def _start(lab: Lab, try_out: TryOut) -> Proof:
    report = try_out(lab.start_folder)
    return _judged("start", report, _failures(report, lab.start.fails))


def _solution(lab: Lab, try_out: TryOut) -> Proof:
    report = try_out(lab.solution_folder)
    complaints = [
        f"{each.check} is {each.outcome}: {each.reason}"
        for each in report.verdicts
        if each.outcome is not Outcome.PASSED
    ]
    return _judged("solution", report, complaints)


def _wrong(lab: Lab, wrong: Wrong, try_out: TryOut) -> Proof:
    with tempfile.TemporaryDirectory(prefix="meshdojo-") as folder:
        answer(lab, wrong.name, Path(folder))
        report = try_out(Path(folder))
    complaints = _failures(report, wrong.fails)
    reason = next(each.reason for each in report.verdicts if each.check == wrong.fails[0])
    if wrong.because not in reason:
        complaints.append(f"{wrong.fails[0]} does not say {wrong.because!r} but: {reason}")
    return _judged(f"wrong/{wrong.name}", report, complaints)


def _judged(what: str, report: Report, complaints: list[str]) -> Proof:
    for each in report.verdicts:
        if each.outcome is Outcome.UNDECIDED:
            return Proof(what=what, outcome=Outcome.UNDECIDED, reason=each.reason, report=report)
    return _proof(what, complaints, report)


def _failures(report: Report, declared: tuple[str, ...]) -> list[str]:
    failed = [each.check for each in report.verdicts if each.outcome is Outcome.FAILED]
    missing = [f"{name} does not fail" for name in declared if name not in failed]
    reasons = {each.check: each.reason for each in report.verdicts}
    extra = [f"{name} fails, too: {reasons[name]}" for name in failed if name not in declared]
    return missing + extra
