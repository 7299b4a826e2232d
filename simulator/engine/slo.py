"""Whether a run's clients got what its scenario promises them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from simulator.config.scenario import Slo
from simulator.engine.summary import ClientSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One objective, and what came of it."""

    client: str
    objective: str
    """`p50`, `p90`, `p99` (ns) or `errors` (a share)."""
    limit: float
    measured: float | None
    """None where the client has sent nothing."""

    @property
    def met(self) -> bool:
        """Say whether it was kept; a client that sent nothing has not shown it."""
        return self.measured is not None and self.measured <= self.limit


def judged(slos: Sequence[Slo], clients: Sequence[ClientSummary]) -> Iterator[Verdict]:
    """Yield a verdict for each objective, in their order."""
    known = {client.name: client.figures for client in clients}
    for slo in slos:
        figures = known[slo.client]
        share = figures.success_share
        measured = {
            "p50": figures.p50_ns,
            "p90": figures.p90_ns,
            "p99": figures.p99_ns,
            "errors": None if share is None else 1 - share,
        }
        for objective, value in measured.items():
            limit = getattr(slo, objective)
            if limit is not None:
                yield Verdict(client=slo.client, objective=objective, limit=limit, measured=value)
