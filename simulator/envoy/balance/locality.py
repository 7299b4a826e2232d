"""Choose a locality by its weight, less what of it cannot serve.

Models    LocalityLbEndpoints.load_balancing_weight, LocalityWeightedLbConfig
Follows   envoy/source/extensions/load_balancing_policies/common/locality_wrr.cc
"""

from __future__ import annotations

from collections.abc import Sequence

from simulator.envoy.balance.edf import Scheduler
from simulator.envoy.balance.host import Host
from simulator.envoy.cluster import Cluster


class Localities:
    """The localities of one priority that may serve, taking turns by weight."""

    __slots__ = ("_scheduler", "_weights")

    def __init__(self, weights: dict[str, float], seed: int) -> None:
        self._weights = weights
        self._scheduler = Scheduler(list(weights), weights.__getitem__, seed)

    def pick(self) -> str:
        """Return the locality whose turn it is."""
        picked = self._scheduler.pick(self._weights.__getitem__)
        assert picked is not None, "there is a locality, or nothing to pick from"
        return picked


def localities(
    cluster: Cluster, priority: int, all_hosts: Sequence[Host], able: Sequence[Host], seed: int
) -> Localities | None:
    """Return the localities of `able` hosts, or `None` where none has any weight."""
    weights: dict[str, float] = {}
    for name in sorted({host.endpoint.locality for host in all_hosts}, key=order):
        total = sum(host.endpoint.locality == name for host in all_hosts)
        serving = sum(host.endpoint.locality == name for host in able)
        available = min(1.0, cluster.overprovisioning / 100.0 * (serving / total))
        weight = cluster.locality_weights.get((priority, name), 0) * available
        if weight > 0:
            weights[name] = weight
    return Localities(weights, seed) if weights else None


def order(name: str) -> list[str]:
    """Return what localities are sorted by: region, zone, then subzone."""
    return name.split("/")
