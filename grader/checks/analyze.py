"""Check kind `analyze`: the manifests load, and nothing is found in them that is new."""

from __future__ import annotations

from grader.checks.story import told
from grader.evidence import Finding, Outcome, Plan, Seen
from simulator.config.record import Record
from simulator.diagnostics import Level


class AnalyzeParams(Record):
    """The `with` of a check of kind `analyze`."""

    allow: tuple[str, ...] = ()
    """Codes that the lab itself brings along."""


def plan(params: AnalyzeParams) -> Plan:
    """Return an empty plan: findings come without a request."""
    del params
    return Plan()


def judge(params: AnalyzeParams, seen: Seen) -> Finding:
    """Return the first error or, where there is none, the first warning."""
    found = [
        each
        for each in seen.diagnostics
        if each.level is not Level.INFO and each.code not in params.allow
    ]
    if not found:
        return Finding(outcome=Outcome.PASSED, reason="Nothing to complain about.")
    worst = min(found, key=lambda each: each.level is not Level.ERROR)
    more = f" ({len(found) - 1} more)" if len(found) > 1 else ""
    hint = f" Try: {worst.hint}" if worst.hint else ""
    return Finding(outcome=Outcome.FAILED, reason=told(worst) + hint + more)
