"""Keep requests in the proxy's own locality, as far as it can take its part of the load.

Every proxy assumes that the others of its kind (the local cluster) get as many requests as
it does, and that they do the same: then each endpoint gets as many as the others.

Models    Cluster.CommonLbConfig.ZoneAwareLbConfig, ClusterManager.local_cluster_name
Follows   envoy/source/extensions/load_balancing_policies/common/load_balancer_impl.cc
          (ZoneAwareLoadBalancerBase)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simulator.envoy.balance.host import Host
from simulator.envoy.balance.locality import order
from simulator.envoy.cluster import Health, ZoneAware
from simulator.envoy.draws import Draws

_WHOLE = 10_000


class Home:
    """Where a proxy is, and who else is of its kind."""

    __slots__ = ("changes", "cluster", "counted", "healthy", "hosts", "locality", "serving")

    def __init__(self, cluster: str, locality: str | None) -> None:
        self.cluster = cluster
        """The local cluster's name."""
        self.locality = locality
        self.hosts: tuple[Host, ...] = ()
        self.healthy: tuple[Host, ...] = ()
        self.counted = self.serving = 0
        self.changes = 0

    def update(self, hosts: Sequence[Host]) -> None:
        """Take the local cluster's hosts as they are now."""
        self.hosts = tuple(hosts)
        self.healthy = tuple(host for host in hosts if host.health is Health.HEALTHY)
        self.counted = sum(host.counts for host in hosts)
        self.serving = sum(host.health is not Health.UNHEALTHY for host in hosts)
        self.changes += 1

    def panics(self, threshold: int) -> bool:
        """Say whether too few of the local cluster's hosts are well to rely on."""
        return (100.0 * self.serving / self.counted if self.counted else 0.0) < threshold


@dataclass(frozen=True, slots=True)
class Plan:
    """Which part of the requests goes to which locality."""

    localities: tuple[str, ...]
    """The own one first, if it is there."""
    local: int
    """How many of 10,000 requests stay; all of them, where the own locality is enough."""
    residual: tuple[int, ...]
    """What each locality, and those before it, can take of the others."""

    def choose(self, draws: Draws) -> tuple[str, str]:
        """Return a locality, and why it is the one."""
        if self.local >= _WHOLE or draws.next("zone") % _WHOLE < self.local:
            share = "" if self.local >= _WHOLE else f", which {self.local / 100:g} % stay in"
            return self.localities[0], f"in the own locality{share}"
        left = self.residual[-1]
        if not left:
            at = draws.next("zone") % len(self.localities)
            return self.localities[at], "in any locality, as none has capacity left"
        point = draws.next("zone") % left
        at = next(at for at, reached in enumerate(self.residual) if point < reached)
        return self.localities[at], f"in {self.localities[at]}, which has capacity left"


def plan(config: ZoneAware, home: Home, hosts: Sequence[Host], able: Sequence[Host]) -> Plan | None:
    """Return how requests to the hosts of the first priority, of which some are `able`, are led.

    `None`: as usual.
    """
    names = _localities(hosts, home)
    at_home = _localities(home.hosts, home)
    forced = config.force_local_min
    if (
        len(names) < 2
        or (forced is None and len(at_home) < 2)
        or not at_home
        or at_home[0] != home.locality
        or len(able) < config.min_cluster_size
    ):
        return None
    upstream = _shares(able, names, by_weight=config.by_weight)
    local = _shares(home.healthy, names, by_weight=config.by_weight)
    has_own = names[0] == home.locality
    if has_own and (
        0 < upstream[0] >= local[0]
        or (forced is not None and _count(able, names[0], by_weight=False) >= forced)
    ):
        return Plan(names, _WHOLE, ())
    stay = upstream[0] * _WHOLE // local[0] if has_own and local[0] else 0
    residual: list[int] = []
    for at in range(len(names)):
        own = at == 0 and has_own
        more = 0 if own else max(0, upstream[at] - local[at])
        residual.append((residual[-1] if residual else 0) + more)
    return Plan(names, stay, tuple(residual))


def _localities(hosts: Sequence[Host], home: Home) -> tuple[str, ...]:
    names = sorted({host.endpoint.locality for host in hosts}, key=order)
    names.sort(key=lambda name: name != home.locality)
    return tuple(names)


def _shares(hosts: Sequence[Host], names: Sequence[str], *, by_weight: bool) -> list[int]:
    """Return which part of the hosts each locality has, of 10,000."""
    total = sum(host.endpoint.weight if by_weight else 1 for host in hosts)
    counts = [_count(hosts, name, by_weight=by_weight) for name in names]
    return [_WHOLE * count // total if total else 0 for count in counts]


def _count(hosts: Sequence[Host], name: str, *, by_weight: bool) -> int:
    return sum(
        host.endpoint.weight if by_weight else 1 for host in hosts if host.endpoint.locality == name
    )
