"""What `meshdojo demo` shows: one lab proved on a plane, both planes compared, a request explained.

Each step returns a value; whoever calls prints it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from grader.evidence import Engine
from grader.lab import Lab
from grader.verify import Proof, verify
from grader.workspace import read, situations
from sandbox.fidelity.replay import Comparison
from sandbox.fidelity.run import both_planes
from simulator.config.requests import read_requests
from simulator.config.scenario import Request
from simulator.observe.observation import Observation
from simulator.scenario import Scenario

REQUESTS = 500
_AT_ONCE = 4
"""Meshes, or requests, at a time: real ones spend their time waiting."""


def solved(lab: Lab) -> tuple[Scenario, tuple[Request, ...]]:
    """Return a lab's mesh with the solution in force, and the requests that it gives to try."""
    scenario = situations(lab, read(lab, lab.solution_folder))[""]
    path = lab.folder / "requests.yaml"
    requests, found = read_requests(str(path), path.read_text(encoding="utf-8"))
    assert requests, found
    return scenario, requests


def proofs(
    lab: Lab, engine: Engine, on_progress: Callable[[str], None] | None = None
) -> Iterator[Proof]:
    """Yield what a plane proves of a lab: its start, its solution, each wrong answer."""
    if engine is Engine.SIM:
        yield from verify(lab, engine, on_progress)
        return
    with ThreadPoolExecutor(_AT_ONCE) as executor:
        yield from verify(lab, engine, on_progress, executor)


def comparison(
    lab: Lab, number: int = REQUESTS, on_progress: Callable[[str], None] | None = None
) -> Comparison:
    """Return how far both planes agree on so many requests. Raises SandboxError."""
    scenario, requests = solved(lab)
    each, more = divmod(number, len(requests))
    many = [
        request.model_copy(update={"count": each + (at < more)})
        for at, request in enumerate(requests)
    ]
    return both_planes(scenario, many, at_once=_AT_ONCE, on_progress=on_progress)


def explained(lab: Lab) -> Observation:
    """Return the first of the lab's requests that carries a header, with every reason."""
    scenario, requests = solved(lab)
    request = next((each for each in requests if each.headers), requests[0])
    return scenario.probe([request.model_copy(update={"count": 1})], explain=True)[0]
