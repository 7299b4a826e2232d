"""Carry plans out and gather evidence: all that runs anything in the grader is here.

Trouble on our side (no Envoy, a time-out) leaves the checks concerned undecided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from grader.checks import KINDS
from grader.evidence import Engine, Evidence, Likeness, Plan, Seen, likeness
from grader.lab import Lab
from grader.workspace import Workspace, lab_digest, read, situations
from simulator.diagnostics import Diagnostic, Level
from simulator.observe.explain import Node
from simulator.observe.observation import Observation
from simulator.scenario import Scenario, ScenarioError

Progress = Callable[[str], None]


def collect(
    lab: Lab,
    folder: Path,
    *,
    engine: Engine | str = Engine.SIM,
    seed: int | None = None,
    progress: Progress | None = None,
) -> Evidence:
    """Return what a workspace does when the lab's checks are tried on it."""
    engine = Engine(engine)
    seed = lab.scenario.seed if seed is None else seed
    tell = progress or _silent
    tell("reading the manifests")
    workspace = read(lab, folder)
    gathered = _Gathered(lab, workspace, engine, seed)
    for name, scenario in gathered.scenarios(lab, workspace).items():
        gathered.play(name, scenario, tell)
    return Evidence(
        engine=engine,
        seed=seed,
        lab_digest=lab_digest(lab),
        workspace_digest=workspace.digest,
        seen=gathered.seen(),
        diagnostics=gathered.diagnostics,
        refused=gathered.refused,
        undecided=gathered.undecided,
    )


class _Gathered:
    """What was seen up to now, by check."""

    def __init__(self, lab: Lab, workspace: Workspace, engine: Engine, seed: int) -> None:
        self._plans = {each.id: KINDS[each.kind].plan(each.params) for each in lab.checks}
        self._engine = engine
        self._seed = seed
        self._files = lab.files
        self._observations: dict[str, tuple[Observation, ...]] = {}
        self._explanations: dict[str, Mapping[Likeness, Node]] = {}
        self.diagnostics = workspace.diagnostics
        self.refused: dict[str, Diagnostic] = {}
        self.undecided: dict[str, str] = {}

    def scenarios(self, lab: Lab, workspace: Workspace) -> dict[str, Scenario]:
        """Return the situations to play, by name; none when the workspace cannot be used."""
        try:
            if not workspace.refused:
                return situations(lab, workspace)
            found = workspace.refused
        except ScenarioError as error:
            found = error.diagnostics
        self._refuse([check for check, plan in self._plans.items() if plan.requests], found)
        return {}

    def play(self, name: str, scenario: Scenario, tell: Progress) -> None:
        """Send all requests that are meant for one situation, on one mesh."""
        plans = {
            check: plan
            for check, plan in self._plans.items()
            if plan.requests and plan.situation == name
        }
        if not plans:
            return
        tell(f"sending {_number(plans)} requests" + (f": {name}" if name else ""))
        try:
            self._found(scenario.diagnostics)
        except ScenarioError as error:
            self._refuse(plans, error.diagnostics)
            return
        for check, plan in plans.items():
            self._simulate(check, plan, scenario)
        possible = {check: plan for check, plan in plans.items() if check not in self.refused}
        if self._engine is Engine.ENVOY and possible:
            self._play_for_real(possible, scenario, tell)

    def _simulate(self, check: str, plan: Plan, scenario: Scenario) -> None:
        # Each check meets the mesh as it is at the start, so that none disturbs another.
        try:
            seen = scenario.probe(plan.requests, seed=self._seed, explain=True)
        except ScenarioError as error:
            self._refuse([check], error.diagnostics)
            return
        self._explanations[check] = _explanations(seen)
        if self._engine is Engine.SIM:
            self._observations[check] = tuple(replace(each, explain=None) for each in seen)

    def _refuse(self, checks: Iterable[str], found: Sequence[Diagnostic]) -> None:
        worst = next(each for each in found if each.level is Level.ERROR)
        self.refused.update(dict.fromkeys(checks, worst))
        self._found(found)

    def _found(self, found: Sequence[Diagnostic]) -> None:
        self.diagnostics = tuple(dict.fromkeys((*self.diagnostics, *found)))

    def _play_for_real(self, plans: Mapping[str, Plan], scenario: Scenario, tell: Progress) -> None:
        # gRPC and the driver take their time to import; the simulator does without.
        from sandbox.box import Sandbox
        from sandbox.errors import SandboxError

        try:
            with Sandbox.start(scenario, tell) as box:
                for check, plan in plans.items():
                    tell(f"trying {check}")
                    seen = box.probe(plan.requests, at_once=plan.at_once)
                    self._observations[check] = seen
        except SandboxError as error:
            missing = [check for check in plans if check not in self._observations]
            self.undecided.update(dict.fromkeys(missing, str(error)))

    def seen(self) -> dict[str, Seen]:
        """Return what each check is judged by."""
        return {
            check: Seen(
                engine=self._engine,
                observations=self._observations.get(check, ()),
                explanations=self._explanations.get(check, {}),
                files=self._files,
                diagnostics=self.diagnostics,
            )
            for check in self._plans
        }


def _number(plans: Mapping[str, Plan]) -> int:
    return sum(request.count for plan in plans.values() for request in plan.requests)


def _explanations(seen: Sequence[Observation]) -> dict[Likeness, Node]:
    """Return the reasons for one observation of each kind of outcome."""
    found: dict[Likeness, Node] = {}
    for each in seen:
        if each.explain is not None:
            found.setdefault(likeness(each), each.explain)
    return found


def _silent(_: str) -> None:
    pass
