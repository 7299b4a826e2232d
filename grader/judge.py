"""Turn evidence into verdicts and marks; pure, so that the same evidence always counts the same."""

from __future__ import annotations

from importlib.metadata import version

from grader.checks import KINDS
from grader.checks.story import told
from grader.evidence import Evidence, Finding, Outcome, Report, Verdict
from grader.lab import Check, Lab


def judge(lab: Lab, evidence: Evidence) -> Report:
    """Return the marks that a piece of evidence deserves."""
    verdicts: dict[str, Verdict] = {}
    for check in lab.checks:
        found = _finding(check, evidence, verdicts)
        passed = found.outcome is Outcome.PASSED
        verdicts[check.id] = Verdict(
            check=check.id,
            says=check.says,
            outcome=found.outcome,
            reason=found.reason,
            points=check.points if passed else 0,
            points_max=check.points,
            observation=None if passed else found.observation,
        )
    return Report(
        version=version("meshdojo"),
        lab=lab.id,
        title=lab.title,
        lab_digest=evidence.lab_digest,
        workspace_digest=evidence.workspace_digest,
        engine=evidence.engine,
        seed=evidence.seed,
        verdicts=tuple(verdicts.values()),
        score=sum(each.points for each in verdicts.values()),
        score_max=sum(each.points_max for each in verdicts.values()),
        diagnostics=evidence.diagnostics,
    )


def _finding(check: Check, evidence: Evidence, before: dict[str, Verdict]) -> Finding:
    open_yet = [name for name in check.after if before[name].outcome is not Outcome.PASSED]
    if open_yet:
        names = " and ".join(f"`{name}`" for name in open_yet)
        return Finding(outcome=Outcome.NOT_RUN, reason=f"Not tried: {names} must pass first.")
    if check.id in evidence.undecided:
        return Finding(outcome=Outcome.UNDECIDED, reason=evidence.undecided[check.id])
    if check.id in evidence.refused:
        reason = f"Nothing could be tried. {told(evidence.refused[check.id])}"
        return Finding(outcome=Outcome.FAILED, reason=reason)
    return KINDS[check.kind].judge(check.params, evidence.seen[check.id])
