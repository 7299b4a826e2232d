"""Carry plans out and gather evidence: all that runs anything in the grader is here.

Trouble on our side (no Envoy, a time-out) leaves the checks concerned undecided.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path

from grader.checks import KINDS
from grader.evidence import Engine, Evidence, Plan, Seen
from grader.lab import Lab
from grader.workspace import Workspace, lab_digest, read, situations
from simulator.config.scenario import Request
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
    refused = workspace.refused
    scenarios: dict[str, Scenario] = {}
    if not refused:
        try:
            scenarios = situations(lab, workspace)
        except ScenarioError as error:
            refused = error.diagnostics
    gathered = _Gathered(lab, workspace, engine, seed)
    for name, scenario in scenarios.items():
        gathered.play(name, scenario, tell)
    return Evidence(
        engine=engine,
        seed=seed,
        lab_digest=lab_digest(lab),
        workspace_digest=workspace.digest,
        seen=gathered.seen(),
        diagnostics=gathered.diagnostics,
        refused=refused,
        undecided=gathered.undecided,
    )


class _Gathered:
    """What was seen up to now, by check."""

    def __init__(self, lab: Lab, workspace: Workspace, engine: Engine, seed: int) -> None:
        self._plans = {each.id: KINDS[each.kind].plan(each.params) for each in lab.checks}
        self._engine = engine
        self._seed = seed
        self._observations: dict[str, tuple[Observation, ...]] = {}
        self._explanations: dict[str, Mapping[str, Node]] = {}
        self.diagnostics = workspace.diagnostics
        self.undecided: dict[str, str] = {}

    def play(self, name: str, scenario: Scenario, tell: Progress) -> None:
        """Send all requests that are meant for one situation, on one mesh."""
        plans = {
            check: plan
            for check, plan in self._plans.items()
            if plan.requests and plan.situation == name
        }
        if not plans:
            return
        if not name:
            self.diagnostics = tuple(dict.fromkeys((*self.diagnostics, *scenario.diagnostics)))
        tell(f"sending {_number(plans)} requests" + (f": {name}" if name else ""))
        requests = [request for plan in plans.values() for request in plan.requests]
        for check, plan in plans.items():
            self._explanations[check] = _explanations(scenario, plan.requests, self._seed)
        if self._engine is Engine.SIM:
            self._share(plans, scenario.probe(requests, seed=self._seed))
        else:
            self._play_for_real(plans, scenario, requests, tell)

    def _play_for_real(
        self,
        plans: Mapping[str, Plan],
        scenario: Scenario,
        requests: Sequence[Request],
        tell: Progress,
    ) -> None:
        # gRPC and the driver take their time to import; the simulator does without.
        from sandbox.box import Sandbox
        from sandbox.errors import SandboxError

        try:
            with Sandbox.start(scenario, tell) as box:
                self._share(plans, box.probe(requests))
        except SandboxError as error:
            self.undecided.update(dict.fromkeys(plans, str(error)))

    def _share(self, plans: Mapping[str, Plan], observations: Sequence[Observation]) -> None:
        """Give each check its own: observations come in the order of the requests."""
        rest = iter(observations)
        for check, plan in plans.items():
            number = sum(request.count for request in plan.requests)
            self._observations[check] = tuple(islice(rest, number))

    def seen(self) -> dict[str, Seen]:
        """Return what each check is judged by."""
        return {
            check: Seen(
                engine=self._engine,
                observations=self._observations.get(check, ()),
                explanations=self._explanations.get(check, {}),
                diagnostics=self.diagnostics,
            )
            for check in self._plans
        }


def _number(plans: Mapping[str, Plan]) -> int:
    return sum(request.count for plan in plans.values() for request in plan.requests)


def _explanations(scenario: Scenario, requests: Sequence[Request], seed: int) -> dict[str, Node]:
    """Return the simulator's reasons for one request of each kind, on whatever plane it runs."""
    once = [request.model_copy(update={"count": 1}) for request in requests]
    seen = scenario.probe(once, seed=seed, explain=True)
    return {each.id: each.explain for each in seen if each.explain is not None}


def _silent(_: str) -> None:
    pass
