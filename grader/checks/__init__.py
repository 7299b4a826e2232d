"""The kinds of checks, one file each: `plan(params)` and `judge(params, seen)`, both pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from grader.checks import analyze, probe, split
from grader.evidence import Finding, Plan, Seen


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of check."""

    params: type[BaseModel]
    """The model of its `with`."""
    plan: Callable[[Any], Plan]
    judge: Callable[[Any, Seen], Finding]


KINDS = {
    "analyze": Kind(analyze.AnalyzeParams, analyze.plan, analyze.judge),
    "probe": Kind(probe.ProbeParams, probe.plan, probe.judge),
    "split": Kind(split.SplitParams, split.plan, split.judge),
}
"""Every kind by its name in `lab.yaml`."""
