"""Count what proxies do, for those who ask for their statistics."""

from __future__ import annotations

from collections import defaultdict

from simulator.engine.crossing import Crossing
from simulator.engine.exchange import Passage
from simulator.envoy.stats import Stats


class Tally:
    """Observes a world, and keeps the statistics of each of its proxies."""

    def __init__(self) -> None:
        self.of: defaultdict[str, Stats] = defaultdict(Stats)
        """By `POD.NAMESPACE`."""

    def passed(self, crossing: Crossing) -> None:
        """Take what a proxy is done with."""
        accepted, stats = crossing.accepted, self.of[crossing.node.pod.ref]
        if isinstance(crossing, Passage) and crossing.copied:
            stats.sent(crossing.facts())
        elif accepted.http is not None:
            stats.request(accepted.listener, accepted.http.stat_prefix, crossing.facts())
        elif accepted.tcp is not None:
            stats.carried(accepted.listener, accepted.tcp.stat_prefix, crossing.facts())
