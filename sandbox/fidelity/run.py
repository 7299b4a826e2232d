"""Run a scenario's requests on both planes and compare them, request by request."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.drivers.driver import Progress
from sandbox.fidelity.replay import Comparison, replay_all
from sandbox.probe import probe
from simulator.config.scenario import Request
from simulator.scenario import Scenario


def both_planes(
    scenario: Scenario,
    requests: Sequence[Request],
    *,
    driver: str = "process",
    at_once: int = 1,
    on_progress: Progress | None = None,
) -> Comparison:
    """Send the requests to real Envoys, and let the simulator repeat what they did.

    Raises SandboxError, and what `Scenario.probe` raises.
    """
    seen = probe(scenario, requests, driver=driver, at_once=at_once, on_progress=on_progress)
    if on_progress is not None:
        on_progress(f"replaying {len(seen)} requests in the simulator")
    return replay_all(scenario, requests, seen)
