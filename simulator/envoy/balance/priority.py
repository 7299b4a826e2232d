"""Share the load among priorities by how healthy each is, and say which ones panic.

Models    ClusterLoadAssignment.Policy.overprovisioning_factor,
          Cluster.common_lb_config.healthy_panic_threshold
Follows   envoy/source/extensions/load_balancing_policies/common/load_balancer_impl.cc
          (recalculatePerPriorityState, recalculatePerPriorityPanic, choosePriority)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """How many hosts one priority has, or how much they weigh."""

    total: int
    """Of those that count."""
    healthy: int
    degraded: int
    hosts: int = 0
    """All of them."""
    overprovisioning: int = 140
    """How much more than its share a priority can take, in percent of its share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loads:
    """Which percentage of the requests goes where; everything sums up to 100."""

    healthy: tuple[int, ...]
    """To the healthy hosts of each priority."""
    degraded: tuple[int, ...]
    panic: tuple[bool, ...]
    """Priorities that use all their hosts, healthy or not."""

    def choose(self, random: int) -> tuple[int, bool]:
        """Return the priority that a random number falls on, and whether its degraded hosts."""
        point = random % 100 + 1
        reached = 0
        for is_degraded, loads in ((False, self.healthy), (True, self.degraded)):
            for priority, load in enumerate(loads):
                reached += load
                if point <= reached:
                    return priority, is_degraded
        return 0, False


def share(
    counts: Sequence[Census],
    weights: Sequence[Census],
    *,
    panic_threshold: int,
) -> Loads:
    """Return the loads of the priorities, the first of which is preferred.

    `weights` decides about availability (it equals `counts` unless hosts' weights are
    asked to count), `counts` about panic.
    """
    healthy = [_available(w, w.healthy) for w in weights]
    degraded = [_available(w, w.degraded) for w in weights]
    available = min(100, sum(healthy) + sum(degraded))
    healthy_loads, degraded_loads = _distribute(healthy, degraded, available)
    if panic_threshold == 0 and available == 0:
        # Panic is off and nobody can serve: the load must go somewhere, and will find no host.
        return Loads(
            healthy=(100, *healthy_loads[1:]),
            degraded=tuple(degraded_loads),
            panic=(False,) * len(counts),
        )
    # A priority never panics while all together can take the whole load.
    panic = [available != 100 and _share_pct(c) < panic_threshold for c in counts]
    if all(panic):
        healthy_loads = _by_size([c.total for c in counts])
        degraded_loads = [0] * len(counts)
    return Loads(healthy=tuple(healthy_loads), degraded=tuple(degraded_loads), panic=tuple(panic))


def _available(census: Census, part: int) -> int:
    return min(100, census.overprovisioning * part // census.total) if census.total else 0


def _share_pct(census: Census) -> float:
    if not census.total:
        return 0.0
    return 100.0 * census.healthy / census.total + 100.0 * census.degraded / census.total


def _distribute(
    healthy: list[int], degraded: list[int], available: int
) -> tuple[list[int], list[int]]:
    loads: tuple[list[int], list[int]] = ([], [])
    if available == 0:
        return [0] * len(healthy), [0] * len(degraded)
    left = 100
    for out, availabilities in zip(loads, (healthy, degraded), strict=True):
        for availability in availabilities:
            load = min(left, availability * 100 // available)
            out.append(load)
            left -= load
    # What is left are rounding errors.
    for out, availabilities in zip(loads, (healthy, degraded), strict=True):
        first = next((at for at, value in enumerate(availabilities) if value), None)
        if first is not None:
            out[first] += left
            break
    return loads


def _by_size(sizes: list[int]) -> list[int]:
    total = sum(sizes)
    if total == 0:
        return [100] + [0] * (len(sizes) - 1)
    loads = [100 * size // total for size in sizes]
    first = next(at for at, size in enumerate(sizes) if size)
    loads[first] += 100 - sum(loads)
    return loads
