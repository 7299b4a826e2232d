"""One cluster's load balancer, inside one proxy.

Models    Cluster.lb_policy, load_balancing_policy, LocalityWeightedLbConfig, SlowStartConfig,
          ZoneAwareLbConfig
Follows   envoy/source/extensions/load_balancing_policies/{common/load_balancer_impl.cc,
          round_robin/round_robin_lb.h, least_request/least_request_lb.cc, random/random_lb.cc}
Leaves    preconnecting (docs/fidelity.md#load-balancing)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from simulator.envoy.balance.consistent import Table, shares, table
from simulator.envoy.balance.context import Context
from simulator.envoy.balance.edf import Scheduler
from simulator.envoy.balance.host import Host
from simulator.envoy.balance.locality import Localities, localities
from simulator.envoy.balance.priority import Census, Loads, share
from simulator.envoy.balance.slow_start import factor as slow_start_factor
from simulator.envoy.balance.zone import Home, Plan, plan
from simulator.envoy.cluster import Cluster, Health, Policy
from simulator.envoy.draws import Draws

PLAIN = Context()
"""A request that asks for nothing."""
_HASHED = (Policy.RING_HASH, Policy.MAGLEV)


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


_Standing: TypeAlias = tuple[int, Group, str | None]
"""Where a choice is made: a group of hosts of one priority, or of one of its localities."""


@dataclass(slots=True)
class _Source:
    """The hosts at one standing, and whose turn it is among them."""

    hosts: tuple[Host, ...] = ()
    turn: int | None = None
    scheduler: Scheduler[Host] | None = None
    built: bool = False


_NOBODY = _Source()


class Balancer:
    """Chooses hosts; keeps whose turn it is, also when the hosts change."""

    __slots__ = (
        "_cluster", "_home", "_loads", "_localities", "_newest", "_plan", "_planned", "_seed",
        "_sources", "_tables", "_total", "_usual", "census",
    )  # fmt: skip

    def __init__(self, cluster: Cluster, home: Home | None = None) -> None:
        """`home` says where the proxy is, where it knows others of its kind."""
        self._cluster = cluster
        self._home = home
        self.census: tuple[tuple[Census, Census], ...] = ()
        """How many hosts each priority has, as panic counts them, and as health does."""
        self._plan: Plan | None = None
        self._planned = -1
        """The change of `home` that the plan was made for."""
        self._sources: dict[_Standing, _Source] = {}
        self._localities: dict[tuple[int, Group], Localities | None] = {}
        self._tables: dict[int, Table] = {}
        self._seed: int | None = None
        self._newest: int | None = None
        self._usual: _Source | None = None
        """The only hosts, where nothing but two draws decides among them."""

    def refresh(self, cluster: Cluster, hosts: Mapping[str, Host]) -> None:
        """Take the cluster's hosts as they are now; turns go on, schedules start anew."""
        self._cluster = cluster
        self._planned = -1
        self._localities.clear()
        self._tables.clear()
        members = [
            [hosts[e.key] for e in cluster.endpoints if e.priority == priority]
            for priority in range(cluster.priorities)
        ]
        for source in self._sources.values():
            source.hosts, source.built = (), False
        for priority, all_hosts in enumerate(members):
            for group in Group:
                self._fill(priority, group, [h for h in all_hosts if _belongs(h, group)])
        self._loads = self._shared(members)
        self._total = lambda: sum(host.active for host in hosts.values())
        self._newest = max((h.since_ns for h in hosts.values() if _is_new(h)), default=None)
        self._usual = self._only_source()

    def _only_source(self) -> _Source | None:
        cluster, loads = self._cluster, self._loads
        two_draws = cluster.lb_policy is Policy.LEAST_REQUEST and cluster.choice_count == 2
        if not two_draws or cluster.full_scan or cluster.locality_weighted or self._home:
            return None
        alone = loads.healthy == (100,) and not loads.panic[0]
        return self._sources[0, Group.HEALTHY, None] if alone else None

    def choose(
        self, draws: Draws, context: Context = PLAIN, trail: list[Pick] | None = None
    ) -> Host | None:
        """Return a host, or `None` if there is none that may serve.

        `trail` is given each host that was looked at.
        """
        usual = self._usual
        plain = trail is None and context.picks == 1 and context.standing is None
        if plain and usual is not None and usual.built and usual.scheduler is None:
            # Written out for what most clusters are: the busiest lines among choices.
            hosts, draw = usual.hosts, draws.next
            one = hosts[draw("endpoint") % len(hosts)]
            other = hosts[draw("endpoint") % len(hosts)]
            return other if other.active < one.active else one
        hashed = self._cluster.lb_policy in _HASHED
        value = 0
        if hashed:
            value = draws.next("endpoint") if context.hash is None else context.hash
        host = None
        for attempt in range(context.picks):
            seen = len(trail) if trail is not None else 0
            if hashed:
                host = self._hashed(value, attempt, context, trail)
            else:
                host = self._once(draws, context, trail)
            if host is None or host not in context.avoid:
                return host
            if trail is not None:
                left = context.picks - attempt - 1
                trail[seen:] = [_tried_before(pick, left) for pick in trail[seen:]]
        return host

    def standing(self, draws: Draws, context: Context = PLAIN) -> tuple[int, Group]:
        """Return the priority and the group of hosts that a draw falls on."""
        loads = self._loads
        if context.standing is not None:
            priority, degraded = context.standing
        elif len(loads.healthy) == 1 and loads.healthy[0] == 100:
            # Envoy draws here too; with one priority the number decides nothing.
            priority, degraded = 0, False
        else:
            priority, degraded = loads.choose(draws.next("priority"))
        if loads.panic[priority]:
            return priority, Group.ALL
        return priority, Group.DEGRADED if degraded else Group.HEALTHY

    def table(self, priority: int) -> Table:
        """Return where hashes lead in a priority, of a cluster that hashes."""
        found = self._tables.get(priority)
        if found is None:
            found = self._tables[priority] = self._tabled(priority)
        return found

    def _fill(self, priority: int, group: Group, hosts: list[Host]) -> None:
        standings: dict[_Standing, list[Host]] = {(priority, group, None): hosts}
        by_locality = self._cluster.locality_weighted or self._home is not None
        if by_locality and group is not Group.ALL:
            for host in hosts:
                at = (priority, group, host.endpoint.locality)
                standings.setdefault(at, []).append(host)
        for standing, members in standings.items():
            source = self._sources.setdefault(standing, _Source())
            source.hosts, source.built = tuple(members), False

    def _shared(self, members: list[list[Host]]) -> Loads:
        cluster = self._cluster
        factor, weighted = cluster.overprovisioning, cluster.weighted_priority_health
        counts = [_census(group, factor, weighted=False) for group in members]
        weights = [_census(group, factor, weighted=True) for group in members]
        if not weighted:
            weights = counts
        self.census = tuple(zip(counts, weights, strict=True))
        return share(counts, weights, panic_threshold=cluster.panic_threshold)

    def _once(self, draws: Draws, context: Context, trail: list[Pick] | None) -> Host | None:
        source, where = self._source(draws, context)
        if not source.hosts:
            return None
        seen = len(trail) if trail is not None else 0
        host = self._of(source, draws, context, trail)
        if where and trail is not None:
            told = trail[seen:]
            trail[seen:] = [replace(pick, reason=f"{where}: {pick.reason}") for pick in told]
        return host

    def _of(
        self, source: _Source, draws: Draws, context: Context, trail: list[Pick] | None
    ) -> Host:
        policy, hosts = self._cluster.lb_policy, source.hosts
        if policy is Policy.RANDOM:
            host = hosts[draws.next("endpoint") % len(hosts)]
            reason = "drawn at random"
        else:
            if not source.built:
                self._build(source, draws, context.now)
            if source.scheduler is not None:
                picked = source.scheduler.pick(self._weighing(context.now))
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

    def _source(self, draws: Draws, context: Context) -> tuple[_Source, str]:
        """Return the hosts that are chosen among, and where they are, if that was a choice."""
        priority, group = self.standing(draws, context)
        if group is Group.ALL:
            failing = self._cluster.zone_aware.fail_traffic_on_panic
            return (_NOBODY if failing else self._sources[priority, group, None]), ""
        if self._cluster.locality_weighted:
            weighted = self._localities_of(priority, group, draws)
            if weighted is not None:
                return self._sources[priority, group, weighted.pick()], ""
        if self._home is not None and priority == 0:
            zoned = self._zoned(self._home, group, draws)
            if zoned is not None:
                return zoned
        return self._sources[priority, group, None], ""

    def _zoned(self, home: Home, group: Group, draws: Draws) -> tuple[_Source, str] | None:
        """Return the hosts of a locality; `None` where localities do not matter."""
        config = self._cluster.zone_aware
        if self._planned != home.changes:
            hosts, able = (
                self._sources[0, each, None].hosts for each in (Group.ALL, Group.HEALTHY)
            )
            self._plan = plan(config, home, hosts, able)
            self._planned = home.changes
        if self._plan is None:
            return None
        enabled = config.routing_enabled
        if enabled < 100 and draws.next("zone enabled") % 100 >= enabled:
            return None
        if home.panics(self._cluster.panic_threshold):
            return (_NOBODY, "") if config.fail_traffic_on_panic else None
        locality, where = self._plan.choose(draws)
        return self._sources.get((0, group, locality), _NOBODY), where

    def _localities_of(self, priority: int, group: Group, draws: Draws) -> Localities | None:
        if (priority, group) not in self._localities:
            self._localities[priority, group] = localities(
                self._cluster,
                priority,
                self._sources[priority, Group.ALL, None].hosts,
                self._sources[priority, group, None].hosts,
                self._seeded(draws),
            )
        return self._localities[priority, group]

    def _hashed(
        self, value: int, attempt: int, context: Context, trail: list[Pick] | None
    ) -> Host | None:
        # The same hash chooses the priority, so that a client stays where it is.
        priority, _ = context.standing or self._loads.choose(value)
        host = self.table(priority).find(value, attempt)
        if host is not None and trail is not None:
            how = "drawn at random, as there is no hash" if context.hash is None else "of its hash"
            trail.append(Pick(host=host, reason=f"the place {how}", kept=True))
        return host

    def _tabled(self, priority: int) -> Table:
        cluster = self._cluster
        # Degraded hosts have no place.
        group = Group.ALL if self._loads.panic[priority] else Group.HEALTHY
        hosts = self._sources[priority, group, None].hosts
        weights = None
        if cluster.locality_weighted and cluster.locality_weights:
            names = sorted({name for at, name in cluster.locality_weights if at == priority})
            weights = {name: cluster.locality_weights[priority, name] for name in names}
        return table(cluster.lb_policy, cluster.hashing, shares(hosts, weights), self._total)

    def _build(self, source: _Source, draws: Draws, now: int) -> None:
        seed = self._seeded(draws)
        if source.turn is None:
            source.turn = seed
        weights = {host.endpoint.weight for host in source.hosts}
        by_weight = len(weights) > 1 or self._warming(now)
        source.scheduler = (
            Scheduler(source.hosts, self._weighing(now), seed)
            if by_weight and len(source.hosts) > 1
            else None
        )
        source.built = True

    def _seeded(self, draws: Draws) -> int:
        if self._seed is None:
            # So that proxies that start together do not all begin with the first host.
            self._seed = draws.next("turn")
        return self._seed

    def _warming(self, now: int) -> bool:
        """Say whether any host is new enough to get less than its share."""
        slow, newest = self._cluster.slow_start, self._newest
        return slow is not None and newest is not None and now - newest <= slow.window_ns

    def _weighing(self, now: int) -> Callable[[Host], float]:
        """Return how much each host weighs at a time."""
        cluster = self._cluster
        bias = cluster.active_request_bias if cluster.lb_policy is Policy.LEAST_REQUEST else 0.0
        slow = cluster.slow_start

        def weight(host: Host) -> float:
            whole = float(host.endpoint.weight)
            if bias:
                whole /= float((host.active + 1) ** bias)
            return whole if slow is None else whole * slow_start_factor(slow, host, now)

        return weight

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
    return group is Group.ALL or host.health.value == group.value


def _is_new(host: Host) -> bool:
    return host.health is Health.HEALTHY


def _census(hosts: Sequence[Host], factor: int, *, weighted: bool) -> Census:
    def size(*healths: Health) -> int:
        return sum(
            host.endpoint.weight if weighted else 1
            for host in hosts
            if (host.health in healths if healths else host.counts)
        )

    return Census(
        total=size(),
        healthy=size(Health.HEALTHY),
        degraded=size(Health.DEGRADED),
        hosts=len(hosts),
        overprovisioning=factor,
    )
