"""The lab format: a folder of data that says what to learn, to do and to be judged by.

    lab.yaml         what is written here: checks, wrong answers, editable files
    scenario.yaml    the mesh and how its workloads behave (`scenario.v1`)
    README.md        the instructions              hints.md   three levels a check
    start/           what a learner begins with    solution/  one that passes everything
    wrong/NAME/      plausible mistakes; a file that is not there is the solution's

Published as `schemas/lab.v1.json`. An author's mistake is a diagnostic with its place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, model_validator

from grader.checks.analyze import AnalyzeParams
from grader.checks.probe import ProbeParams
from grader.checks.split import SplitParams
from simulator.config.model import refusal
from simulator.config.record import Record
from simulator.config.scenario import Behaviour, ScenarioFile
from simulator.config.yaml import read_model
from simulator.diagnostics import Diagnostic, Level, diagnose

Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
"""Ids never change and are never used again."""
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""A file of the lab's folder itself, none above or below it."""
HINT_LEVELS = 3

_HEADING = re.compile(r"^## +(?P<id>\S+) *$", re.MULTILINE)
_LEVEL = re.compile(r"^\d+\. +", re.MULTILINE)


class LabError(Exception):
    """A lab cannot be used as it is written; `diagnostics` says why."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__("\n".join(str(each) for each in diagnostics))
        self.diagnostics = diagnostics


class _Check(Record):
    id: Id
    says: str
    """The sentence that a learner sees."""
    after: tuple[Id, ...] = ()
    """Checks that must have passed; otherwise this one is not run."""
    points: int = Field(default=1, ge=0)


class AnalyzeCheck(_Check):
    """Nothing new is found in the manifests."""

    kind: Literal["analyze"]
    with_: AnalyzeParams = Field(default=AnalyzeParams(), alias="with")


class ProbeCheck(_Check):
    """Requests are answered as expected."""

    kind: Literal["probe"]
    with_: ProbeParams = Field(alias="with")


class SplitCheck(_Check):
    """Traffic is shared as expected."""

    kind: Literal["split"]
    with_: SplitParams = Field(alias="with")


AnyCheck = Annotated[AnalyzeCheck | ProbeCheck | SplitCheck, Field(discriminator="kind")]


class Situation(Record):
    """The same mesh on another day: some workloads behave differently."""

    says: str
    workloads: dict[str, Behaviour]
    """In place of the scenario's behaviour of the same name."""


class Start(Record):
    """What a learner begins with."""

    fails: tuple[Id, ...] = Field(min_length=1)


class Wrong(Record):
    """A plausible wrong answer and how it has to be refused."""

    name: Id
    fails: tuple[Id, ...] = Field(min_length=1)
    """All checks that fail."""
    because: str
    """Must appear in the reason of the first of them."""


class LabFile(Record):
    """`lab.yaml`, as written."""

    schema_: Literal["lab.v1"] = Field(alias="schema")
    id: Id
    title: str
    module: str
    summary: str
    minutes: int = Field(gt=0)
    objectives: tuple[str, ...] = Field(min_length=1)
    files: tuple[FileName, ...] = Field(min_length=1)
    """Those that a learner edits; nothing else of a workspace is read."""
    given: tuple[FileName, ...] = ()
    """Files beside them that a learner may want at hand, such as requests to try."""
    kinds: tuple[str, ...] = Field(min_length=1)
    """Kinds of objects that a learner's files may hold."""
    situations: dict[Id, Situation] = Field(default={})
    start: Start
    wrong: tuple[Wrong, ...] = Field(min_length=1)
    checks: tuple[AnyCheck, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> LabFile:
        known: set[str] = set()
        for at, check in enumerate(self.checks):
            if check.id in known:
                raise refusal(f"two checks are called {check.id}", f"checks[{at}].id")
            for name in check.after:
                if name not in known:
                    problem = f"{check.id} comes after {name}, which is no earlier check"
                    raise refusal(problem, f"checks[{at}].after")
            known.add(check.id)
            situation = getattr(check.with_, "situation", "")
            if situation and situation not in self.situations:
                problem = f"{check.id} needs the situation {situation}, which is unknown"
                raise refusal(problem, f"checks[{at}].with.situation")
        self._failing(known)
        return self

    def _failing(self, known: set[str]) -> None:
        wrong = ((f"wrong[{at}].fails", one.fails) for at, one in enumerate(self.wrong))
        for path, names in (("start.fails", self.start.fails), *wrong):
            for name in names:
                if name not in known:
                    raise refusal(f"there is no check {name} that could fail", path)


Params: TypeAlias = AnalyzeParams | ProbeParams | SplitParams


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that a lab is judged by."""

    id: str
    kind: str
    says: str
    after: tuple[str, ...]
    points: int
    params: Params


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """A lab, read and consistent."""

    folder: Path
    id: str
    title: str
    module: str
    summary: str
    minutes: int
    objectives: tuple[str, ...]
    files: tuple[str, ...]
    given: tuple[str, ...]
    """What a workspace may hold beside `files`: the app, the scenario, requests to try."""
    kinds: tuple[str, ...]
    scenario: ScenarioFile
    situations: Mapping[str, Situation]
    start: Start
    wrong: tuple[Wrong, ...]
    checks: tuple[Check, ...]
    instructions: str
    """`README.md`, as Markdown."""
    hints: Mapping[str, tuple[str, ...]]
    """By check id, the vaguest first; Markdown."""

    @property
    def scenario_path(self) -> Path:
        """Return where the scenario file is."""
        return self.folder / "scenario.yaml"

    @property
    def start_folder(self) -> Path:
        """Return the folder that a learner begins with."""
        return self.folder / "start"

    @property
    def solution_folder(self) -> Path:
        """Return the folder of a solution that passes."""
        return self.folder / "solution"

    def wrong_folder(self, name: str) -> Path:
        """Return the folder of a wrong answer."""
        return self.folder / "wrong" / name

    def check(self, id: str) -> Check:  # noqa: A002 - the field's name
        """Return a check. Raises KeyError when there is none of that id."""
        found = next((each for each in self.checks if each.id == id), None)
        if found is None:
            raise KeyError(id)
        return found

    @classmethod
    def load(cls, folder: str | Path) -> Lab:
        """Read a lab's folder. Raises LabError for one that cannot be used."""
        return _Reader(Path(folder)).lab()


class _Reader:
    """Reads a folder; collects what is wrong with it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._found: list[Diagnostic] = []

    def lab(self) -> Lab:
        written = self._model("lab.yaml", LabFile)
        scenario = self._model("scenario.yaml", ScenarioFile)
        instructions, hints = self._text("README.md"), hints_of(self._text("hints.md"))
        if written is None or scenario is None or any(_is_error(each) for each in self._found):
            raise LabError(tuple(self._found))
        checks = tuple(
            Check(
                id=each.id,
                kind=each.kind,
                says=each.says,
                after=each.after,
                points=each.points,
                params=each.with_,
            )
            for each in written.checks
        )
        return Lab(
            folder=self._folder,
            id=written.id,
            title=written.title,
            module=written.module,
            summary=written.summary,
            minutes=written.minutes,
            objectives=written.objectives,
            files=written.files,
            given=("scenario.yaml", *scenario.manifests, *written.given),
            kinds=written.kinds,
            scenario=scenario,
            situations=written.situations,
            start=written.start,
            wrong=written.wrong,
            checks=checks,
            instructions=instructions,
            hints=hints,
        )

    def _text(self, name: str) -> str:
        path = self._folder / name
        try:
            return path.read_text(encoding="utf-8")
        except OSError:
            self._found.append(diagnose("missing-file", path=path))
            return ""

    def _model(self, name: str, model: type[Any]) -> Any:  # noqa: ANN401 - a LabFile or ScenarioFile
        text = self._text(name)
        if not text:
            return None
        value, diagnostics = read_model(str(self._folder / name), text, model)
        self._found += diagnostics
        return value


def _is_error(found: Diagnostic) -> bool:
    return found.level is Level.ERROR


def hints_of(text: str) -> dict[str, tuple[str, ...]]:
    """Return the hints of a `hints.md`: `## CHECK-ID`, then a numbered list."""
    parts = _HEADING.split(text)[1:]
    return {
        name: tuple(each.strip() for each in _LEVEL.split(body)[1:])
        for name, body in zip(parts[::2], parts[1::2], strict=True)
    }
