"""What the page is told, as typed JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from grader.evidence import Engine, Outcome
from simulator.config.scenario import Request
from simulator.diagnostics import Diagnostic
from simulator.engine.summary import Series, Summary
from simulator.observe.observation import Observation


class LabCard(BaseModel):
    """A lab in the list."""

    id: str
    title: str
    module: str
    summary: str
    minutes: int
    points: int
    checks: int
    best: int | None
    """The best score up to now; absent before the first attempt."""
    passed: bool
    begun: bool


class FileView(BaseModel):
    """A file of a lab: as the learner left it, or given."""

    name: str
    text: str
    start: str
    """What it was at the beginning."""
    revision: int
    """0 before it was first saved."""
    editable: bool


class AskedRequest(BaseModel):
    """A request of a check, so that it can be asked why."""

    id: str
    request: Request


class CheckView(BaseModel):
    """One thing that a lab is judged by."""

    id: str
    says: str
    kind: str
    points: int
    after: tuple[str, ...]
    hints: int
    situation: str
    requests: list[AskedRequest]


class AttemptView(BaseModel):
    """Work that was marked."""

    id: int
    learner: str
    lab: str
    at: datetime
    engine: str
    outcome: str
    score: int
    score_max: int
    verdicts: Mapping[str, str]


class VerdictView(BaseModel):
    """What became of one check."""

    check: str
    says: str
    outcome: Outcome
    reason: str
    points: int
    points_max: int
    observation: Observation | None = None


class ReportView(BaseModel):
    """A workspace's marks."""

    outcome: Outcome
    engine: Engine
    score: int
    score_max: int
    verdicts: list[VerdictView]
    diagnostics: list[Diagnostic]


class LabView(BaseModel):
    """All that the page of a lab shows."""

    id: str
    title: str
    module: str
    summary: str
    minutes: int
    objectives: tuple[str, ...]
    instructions: str
    """HTML, made from Markdown without raw HTML."""
    files: list[FileView]
    checks: list[CheckView]
    workloads: list[str]
    """Where requests can come from."""
    gateways: list[str]
    situations: Mapping[str, str]
    """What differs, by name."""
    report: Mapping[str, Any] | None
    """The last attempt's."""


class HintView(BaseModel):
    """One hint, levels counted from 1."""

    level: int
    levels: int
    html: str


class Texts(BaseModel):
    """The learner's files, by name."""

    files: dict[str, str]


class SaveBody(BaseModel):
    """A file to keep; `revision` is the one that was edited."""

    text: str
    revision: int = Field(ge=0)


class Saved(BaseModel):
    """What a file's revision is now."""

    file: str
    revision: int
    updated: datetime


class WhyBody(BaseModel):
    """A request to explain, in the mesh of these files."""

    files: dict[str, str]
    request: Request
    situation: str = ""


class DiagnosticsView(BaseModel):
    """What is wrong with some files."""

    diagnostics: tuple[Diagnostic, ...]


class TopologyNode(BaseModel):
    """A client, gateway or workload."""

    id: str
    label: str
    kind: str
    version: str
    layer: int


class TopologyEdge(BaseModel):
    """Requests from one to another."""

    id: str
    source: str
    target: str
    services: list[str]
    requests: int
    rate: float
    success_share: float | None
    p50_ns: int | None
    p99_ns: int | None


class SimulationView(BaseModel):
    """A run: the map with its traffic, courses and figures."""

    title: str
    version: str
    digest: str
    seed: int
    summary: Summary
    series: tuple[Series, ...]
    nodes: list[TopologyNode]
    edges: list[TopologyEdge]


class RefusedView(BaseModel):
    """Why nothing could be run."""

    message: str
    diagnostics: tuple[Diagnostic, ...]


class JobView(BaseModel):
    """Something that takes a moment: ask again until its state is no longer `running`."""

    id: str
    state: str
    message: str = ""
    hint: str = ""
    simulation: SimulationView | None = None
    report: ReportView | None = None
    observation: Observation | None = None
    refused: RefusedView | None = None


class StandingView(BaseModel):
    """How far a learner has come with a lab."""

    learner: str
    lab: str
    attempts: int
    best: int
    score_max: int
    passed: bool
    last: datetime


class LabColumns(BaseModel):
    """What the columns of a lab's attempts mean."""

    id: str
    title: str
    checks: list[tuple[str, str]]
    """Id and sentence, in order."""


class InstructorView(BaseModel):
    """Who tried what, and with what success."""

    labs: list[LabColumns]
    standings: list[StandingView]
    attempts: list[AttemptView]
