"""What passes between the one who runs and the one who judges: plans, evidence, verdicts.

A check's `plan` says which requests to send; `collect` sends them; the check's `judge`
sees nothing but the `Seen` that came of its own plan. All of it is plain data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from simulator.config.scenario import Request
from simulator.diagnostics import Diagnostic
from simulator.observe.explain import Node
from simulator.observe.observation import Observation


class Engine(StrEnum):
    """The plane that a workspace is tried on."""

    SIM = "sim"
    ENVOY = "envoy"


class Outcome(StrEnum):
    """What became of a check."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"
    """We could not find out, and that is not the learner's fault; never scored as a failure."""
    NOT_RUN = "not_run"
    """A check that has to pass before it did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What has to be done before a check can be judged."""

    requests: tuple[Request, ...] = ()
    """Each with an id."""
    situation: str = ""
    """One of the lab's situations; empty for the scenario as it is written."""
    at_once: int = 1
    """So many at the same time on real Envoys, where time is real and order does not matter."""


Likeness: TypeAlias = tuple[str, int | None, tuple[str, ...], str | None, str | None]
"""A request's id and what came of it: status, flags, cluster and workload."""


def likeness(observation: Observation) -> Likeness:
    """Return what two observations share that came about for the same reasons."""
    upstream = observation.upstream
    return (
        observation.id,
        observation.status,
        tuple(observation.response_flags),
        observation.cluster,
        upstream.workload if upstream else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """All that one check is judged by."""

    engine: Engine = Engine.SIM
    observations: tuple[Observation, ...] = ()
    explanations: Mapping[Likeness, Node] = field(default_factory=dict)
    """The simulator's reasons, one for each kind of outcome that it saw."""
    files: tuple[str, ...] = ()
    """Those that the learner wrote, as positions name them."""
    diagnostics: tuple[Diagnostic, ...] = ()
    """Everything that `analyze` and the simulator have to say of the workspace."""

    def explanation(self, observation: Observation) -> Node | None:
        """Return the reasons for an outcome like this one, else for the same request."""
        found = self.explanations.get(likeness(observation))
        if found is not None:
            return found
        same = (each for like, each in self.explanations.items() if like[0] == observation.id)
        return next(same, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What came of a workspace, all checks together."""

    engine: Engine
    seed: int
    lab_digest: str
    workspace_digest: str
    seen: Mapping[str, Seen]
    """By check id."""
    diagnostics: tuple[Diagnostic, ...] = ()
    refused: Mapping[str, Diagnostic] = field(default_factory=dict)
    """By check id: the error of the learner's because of which it could not be tried."""
    undecided: Mapping[str, str] = field(default_factory=dict)
    """By check id: what went wrong on our side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check's `judge` says."""

    outcome: Outcome
    reason: str
    """For a learner: what was seen, what was expected, and where it comes from."""
    observation: Observation | None = None
    """The one that decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one check of a lab."""

    check: str
    says: str
    """The check's sentence."""
    outcome: Outcome
    reason: str
    points: int
    """Those that were earned."""
    points_max: int
    observation: Observation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A workspace's marks, with all that is needed to get them again. `report.v1`."""

    schema: str = "report.v1"
    version: str
    """Meshdojo's."""
    lab: str
    title: str
    lab_digest: str
    workspace_digest: str
    engine: Engine
    seed: int
    verdicts: tuple[Verdict, ...]
    score: int
    score_max: int
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """Return `failed` if any check failed, else `undecided` if any is, else `passed`."""
        outcomes = {verdict.outcome for verdict in self.verdicts}
        for worst in (Outcome.FAILED, Outcome.UNDECIDED, Outcome.NOT_RUN):
            if worst in outcomes:
                return worst
        return Outcome.PASSED
