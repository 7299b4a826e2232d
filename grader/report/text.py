"""Marks as text for a learner: no colour, so that any terminal may add its own."""

from __future__ import annotations

import textwrap

from grader.evidence import Engine, Outcome, Report, Verdict

MARKS = {
    Outcome.PASSED: "[ok]",
    Outcome.FAILED: "[no]",
    Outcome.UNDECIDED: "[??]",
    Outcome.NOT_RUN: "[--]",
}
"""What stands before each verdict."""
_PLANES = {Engine.SIM: "the simulator", Engine.ENVOY: "real Envoys"}
_WIDTH = 96


def text(report: Report) -> str:
    """Return the whole report, lines ended."""
    lines = [f"{report.title}, on {_PLANES[report.engine]}, seed {report.seed}", ""]
    for verdict in report.verdicts:
        lines += verdict_lines(verdict)
    lines += ["", closing(report)]
    return "\n".join(_printable(line) for line in lines) + "\n"


def verdict_lines(verdict: Verdict) -> list[str]:
    """Return a verdict: mark, name, points and sentence; below, what was seen."""
    points = f"{verdict.points}/{verdict.points_max}"
    head = f"{MARKS[verdict.outcome]} {verdict.check:<12} {points:>6}  {verdict.says}"
    wrapped = textwrap.wrap(
        verdict.reason,
        width=_WIDTH,
        initial_indent="       ",
        subsequent_indent="       ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [head, *wrapped]


def _printable(line: str) -> str:
    """Return a line that cannot move a terminal's cursor: reasons quote what a learner wrote."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line)


def closing(report: Report) -> str:
    """Return the last line: the marks, and what to do next."""
    marks = f"{report.score} of {report.score_max} points."
    match report.outcome:
        case Outcome.PASSED:
            return f"{marks} Well done!"
        case Outcome.UNDECIDED:
            return f"{marks} Something could not be decided. That is our fault, not yours."
        case _:
            first = next(each.check for each in report.verdicts if each.outcome is Outcome.FAILED)
            return f"{marks} Next: meshdojo lab hint {report.lab} {first}"
