"""Send requests into a real mesh of a scenario: start it, probe it, stop it."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.box import Sandbox
from sandbox.drivers.choice import named
from sandbox.drivers.driver import Progress
from simulator.config.scenario import Request
from simulator.observe.observation import Observation
from simulator.scenario import Scenario


def probe(
    scenario: Scenario,
    requests: Sequence[Request],
    *,
    driver: str = "process",
    at_once: int = 1,
    on_progress: Progress | None = None,
) -> tuple[Observation, ...]:
    """Return one observation for each request sent, as the simulator's `Scenario.probe` does.

    So many requests are under way `at_once`.

    Raises SandboxError: then nothing is decided, and nothing is left running.
    """
    with Sandbox.start(scenario, on_progress, driver=named(driver)) as box:
        return box.probe(requests, at_once=at_once)
