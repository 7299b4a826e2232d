"""What the gradebook gives out: plain values, valid long after the database is closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A file as a learner left it."""

    lab: str
    file: str
    text: str
    revision: int
    """Counts from 1, one up with each time it was saved."""
    updated: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A learner had work marked."""

    id: int
    learner: str
    lab: str
    at: datetime
    engine: str
    outcome: str
    score: int
    score_max: int
    verdicts: Mapping[str, str]
    """Outcomes by check, in the lab's order."""
    report: Mapping[str, Any]
    """The `report.v1` document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a learner has come with a lab."""

    learner: str
    lab: str
    attempts: int
    best: int
    score_max: int
    passed: bool
    last: datetime
