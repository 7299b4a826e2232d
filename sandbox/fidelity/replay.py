"""Let the simulator repeat what a real mesh did, request by request.

The choices that were observed (cluster, endpoint, fault) are forced: every other
field must then be equal. The choices themselves are tested as shares, of the real
mesh and of the simulator when it chooses freely.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.fidelity.compare import Difference, compare
from sandbox.fidelity.shares import Share, shares
from simulator.config.scenario import Request
from simulator.observe.observation import Observation
from simulator.scenario import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A difference, and the request in which it showed."""

    id: str
    n: int
    difference: Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How far both planes agree."""

    n: int
    """Observations compared."""
    agreed: int
    differences: tuple[Finding, ...]
    shares: tuple[Share, ...]
    """Of the real mesh."""
    simulated_shares: tuple[Share, ...]
    """Of the simulator, choosing freely."""

    @property
    def ok(self) -> bool:
        """Say whether nothing differs and every share may be as expected."""
        return not self.differences and all(
            each.ok for each in (*self.shares, *self.simulated_shares)
        )


def replay_all(
    scenario: Scenario, requests: Sequence[Request], observations: Sequence[Observation]
) -> Comparison:
    """Compare what the real mesh did with `requests` with what the simulator does."""
    by_id = {each.id or f"request-{number}": each for number, each in enumerate(requests, 1)}
    findings = []
    agreed = 0
    for observed in observations:
        differences = compare(observed, scenario.replay(by_id[observed.id], observed))
        agreed += not differences
        findings += [Finding(id=observed.id, n=observed.n, difference=each) for each in differences]
    proxies = {hop.proxy for each in observations for hop in each.hops}
    resources = {proxy: scenario.translate(proxy).resources for proxy in sorted(proxies)}
    return Comparison(
        n=len(observations),
        agreed=agreed,
        differences=tuple(findings),
        shares=shares(observations, resources),
        simulated_shares=shares(scenario.probe(requests), resources),
    )
