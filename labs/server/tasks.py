"""What the worker processes do: read, simulate, mark and explain. Values in, values out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.evidence import Report
from grader.grade import grade
from grader.lab import Lab
from grader.workspace import Workspace, read, situations
from simulator.config.scenario import Request
from simulator.diagnostics import Diagnostic
from simulator.engine.summary import Series, Summary
from simulator.istiod.registry import UnknownProxyError
from simulator.observe.observation import Observation
from simulator.scenario import Scenario, ScenarioError
from simulator.views.topology import elements, layers, seen

Texts = Mapping[str, str]
"""A learner's files, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """A run, as it crosses from one process to the other."""

    title: str
    version: str
    digest: str
    seed: int
    summary: Summary
    series: tuple[Series, ...]
    nodes: list[dict[str, Any]]
    edges: list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The learner's files, or request, cannot be played."""

    message: str
    diagnostics: tuple[Diagnostic, ...] = ()


def warm_up() -> None:
    """Do nothing: the worker has imported this module, which is what takes time."""


def diagnose(folder: Path, texts: Texts) -> tuple[Diagnostic, ...]:
    """Return what is wrong with a learner's files, read together with the lab's."""
    lab = Lab.load(folder)
    with _workspace(lab, texts) as place:
        return read(lab, place).diagnostics


def simulate(folder: Path, texts: Texts) -> Simulated | Refused:
    """Let the lab's clients visit the learner's mesh."""
    lab = Lab.load(folder)
    try:
        scenario = _scenario(lab, texts, "")
        if isinstance(scenario, Refused):
            return scenario
        run = scenario.run()
    except ScenarioError as error:
        return Refused(message=_NOT_PLAYED, diagnostics=error.diagnostics)
    graph = seen(run)
    for name, layer in layers(graph).items():
        graph.nodes[name]["layer"] = layer
    drawn = elements(graph)
    return Simulated(
        title=run.title,
        version=run.version,
        digest=run.digest,
        seed=run.seed,
        summary=run.summary,
        series=run.series,
        nodes=[each["data"] for each in drawn["nodes"]],
        edges=[each["data"] for each in drawn["edges"]],
    )


def check(folder: Path, texts: Texts) -> Report:
    """Mark a learner's files in the simulator."""
    lab = Lab.load(folder)
    with _workspace(lab, texts) as place:
        return grade(lab, place)


def explain(folder: Path, texts: Texts, request: Request, situation: str) -> Observation | Refused:
    """Send one request and return what came of it, with every decision on its way."""
    lab = Lab.load(folder)
    try:
        scenario = _scenario(lab, texts, situation)
        if isinstance(scenario, Refused):
            return scenario
        return scenario.probe([request.model_copy(update={"count": 1})], explain=True)[0]
    except UnknownProxyError as error:
        return Refused(message=str(error))
    except ScenarioError as error:
        return Refused(message=_NOT_PLAYED, diagnostics=error.diagnostics)


_NOT_PLAYED = "Your files cannot be run as they are."


def _scenario(lab: Lab, texts: Texts, situation: str) -> Scenario | Refused:
    with _workspace(lab, texts) as place:
        workspace: Workspace = read(lab, place)
    if workspace.refused:
        return Refused(message=_NOT_PLAYED, diagnostics=workspace.refused)
    return situations(lab, workspace)[situation]


@contextmanager
def _workspace(lab: Lab, texts: Texts) -> Iterator[Path]:
    """Yield a folder with the files that the lab lets a learner edit."""
    with tempfile.TemporaryDirectory(prefix="meshdojo-") as name:
        for file in lab.files:
            if file in texts:
                (Path(name) / file).write_text(texts[file], encoding="utf-8")
        yield Path(name)
