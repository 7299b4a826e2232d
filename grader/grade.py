"""Give marks: try a workspace out on a plane, judge what was seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from grader.collect import collect
from grader.evidence import Engine, Report
from grader.judge import judge
from grader.lab import Lab


def grade(
    lab: Lab,
    workspace: Path,
    engine: Engine | str = Engine.SIM,
    seed: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Return the marks of a workspace; `progress` is told what is done, in short phrases.

    Nothing of the learner's raises; nor does trouble on our side, which is `undecided`.
    """
    return judge(lab, collect(lab, workspace, engine=engine, seed=seed, progress=progress))
