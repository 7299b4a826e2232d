"""One cluster's load balancer, inside one proxy.

Models    Cluster.lb_policy, load_balancing_policy: ROUND_ROBIN, LEAST_REQUEST, RANDOM
Follows   envoy/source/extensions/load_balancing_policies/{common/load_balancer_impl.cc,
          round_robin/round_robin_lb.h, least_request/least_request_lb.cc, random/random_lb.cc}
Leaves    hashes, localities, slow start, preconnecting (docs/fidelity.md#load-balancing)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from simulator.envoy.balance.edf import Scheduler
from simulator.envoy.balance.host import Host
from simulator.envoy.balance.priority import Census, Loads, share
from simulator.envoy.cluster import Cluster, Health, Policy
from simulator.envoy.draws import Draws


class Group(StrEnum):
    """Which hosts of a priority are chosen among."""

    ALL = "all"
    """In panic."""
    HEALTHY = "healthy"
    DEGRADED = "degraded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """One host that was looked at, for those who ask why."""

    host: Host
    reason: str
    kept: bool


@dataclass(slots=True)
class _Source:
    """The hosts of one group of one priority, and whose turn it is among them."""

    hosts: tuple[Host, ...] = ()
    turn: int | None = None
    scheduler: Scheduler[Host] | None = None
    built: bool = False


@dataclass(slots=True)
class Balancer:
    """Chooses hosts; keeps whose turn it is, also when the hosts change."""

    _cluster: Cluster
    _loads: Loads = field(init=False)
    _sources: dict[tuple[int, Group], _Source] = field(init=False, default_factory=dict)
    _seed: int | None = field(init=False, default=None)

    def refresh(self, cluster: Cluster, hosts: Mapping[str, Host]) -> None:
        """Take the cluster's hosts as they are now; turns go on, schedules start anew."""
        self._cluster = cluster
        members = [
            [hosts[e.key] for e in cluster.endpoints if e.priority == priority]
            for priority in range(cluster.priorities)
        ]
        for priority, all_hosts in enumerate(members):
            for group in Group:
                source = self._sources.setdefault((priority, group), _Source())
                source.hosts = tuple(h for h in all_hosts if _belongs(h, group))
                source.built = False
        counts = [_census(group, weighted=False) for group in members]
        weighted = cluster.weighted_priority_health
        self._loads = share(
            counts,
            [_census(group, weighted=True) for group in members] if weighted else counts,
            overprovisioning=cluster.overprovisioning,
            panic_threshold=cluster.panic_threshold,
        )

    def choose(
        self,
        draws: Draws,
        *,
        avoid: Collection[Host] = (),
        picks: int = 1,
        trail: list[Pick] | None = None,
    ) -> Host | None:
        """Return a host, or `None` if there is none that may serve.

        A host in `avoid` is passed over as long as one of the `picks` is left; the last
        pick counts whichever it is. `trail` is given each host that was looked at.
        """
        host = None
        for left in range(picks - 1, -1, -1):
            seen = len(trail) if trail is not None else 0
            host = self._once(draws, trail)
            if host is None or host not in avoid:
                return host
            if trail is not None:
                trail[seen:] = [_tried_before(pick, left) for pick in trail[seen:]]
        return host

    def standing(self, draws: Draws) -> tuple[int, Group]:
        """Return the priority and the group of hosts that a draw falls on."""
        loads = self._loads
        if len(loads.healthy) == 1:
            # Envoy draws here too; with one priority the number decides nothing.
            priority, degraded = (
                (0, False) if loads.healthy[0] == 100 else loads.choose(draws.next("priority"))
            )
        else:
            priority, degraded = loads.choose(draws.next("priority"))
        if loads.panic[priority]:
            return priority, Group.ALL
        return priority, Group.DEGRADED if degraded else Group.HEALTHY

    def _once(self, draws: Draws, trail: list[Pick] | None) -> Host | None:
        policy = self._cluster.lb_policy
        source = self._sources[self.standing(draws)]
        hosts = source.hosts
        if not hosts:
            return None
        if policy is Policy.RANDOM:
            host = hosts[draws.next("endpoint") % len(hosts)]
            reason = "drawn at random"
        else:
            if not source.built:
                self._build(source, draws)
            if source.scheduler is not None:
                picked = source.scheduler.pick()
                assert picked is not None, "a schedule is built of two hosts or more"
                host, reason = picked, "its deadline comes first, by weight"
            elif policy is Policy.LEAST_REQUEST:
                return self._least_loaded(hosts, draws, trail)
            else:
                assert source.turn is not None, "a source that is built has a turn"
                host, reason = hosts[source.turn % len(hosts)], "it is its turn"
                source.turn += 1
        if trail is not None:
            trail.append(Pick(host=host, reason=reason, kept=True))
        return host

    def _build(self, source: _Source, draws: Draws) -> None:
        if self._seed is None:
            # So that proxies that start together do not all begin with the first host.
            self._seed = draws.next("turn")
        if source.turn is None:
            source.turn = self._seed
        weights = {host.endpoint.weight for host in source.hosts}
        source.scheduler = (
            Scheduler(source.hosts, self._weight, self._seed) if len(weights) > 1 else None
        )
        source.built = True

    def _weight(self, host: Host) -> float:
        cluster = self._cluster
        if cluster.lb_policy is not Policy.LEAST_REQUEST:
            return float(host.endpoint.weight)
        return host.endpoint.weight / float((host.active + 1) ** cluster.active_request_bias)

    def _least_loaded(self, hosts: Sequence[Host], draws: Draws, trail: list[Pick] | None) -> Host:
        if self._cluster.full_scan:
            drawn = [_least_of_all(hosts, draws)]
        else:
            # With replacement: the same host may be drawn twice.
            count = self._cluster.choice_count
            drawn = [hosts[draws.next("endpoint") % len(hosts)] for _ in range(count)]
        best = drawn[0]
        for host in drawn[1:]:
            if host.active < best.active:
                best = host
        if trail is not None:
            trail.extend(
                Pick(host=host, reason=f"drawn; {host.active} requests active", kept=host is best)
                for host in dict.fromkeys(drawn)
            )
        return best


def _least_of_all(hosts: Sequence[Host], draws: Draws) -> Host:
    best, ties = hosts[0], 1
    for host in hosts[1:]:
        if host.active < best.active:
            best, ties = host, 1
        elif host.active == best.active:
            ties += 1
            if draws.next("endpoint") % ties == 0:
                best = host
    return best


def _tried_before(pick: Pick, left: int) -> Pick:
    """Return a pick as it turned out, once the host it kept proves to be one to avoid."""
    if not pick.kept:
        return pick
    what = (
        "was tried before; another is picked" if left else "was tried before, but is the last pick"
    )
    return Pick(host=pick.host, reason=f"{pick.reason}; it {what}", kept=not left)


def _belongs(host: Host, group: Group) -> bool:
    return group is Group.ALL or host.endpoint.health.value == group.value


def _census(hosts: Sequence[Host], *, weighted: bool) -> Census:
    def size(*healths: Health) -> int:
        return sum(
            host.endpoint.weight if weighted else 1
            for host in hosts
            if not healths or host.endpoint.health in healths
        )

    return Census(total=size(), healthy=size(Health.HEALTHY), degraded=size(Health.DEGRADED))
