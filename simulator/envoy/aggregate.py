"""One cluster made of others: the first of them that can serve does.

The priorities of all of them are one line, those of the first cluster at its head; a
priority without hosts is left out. Which of them a request goes to follows from how well
each is, as in one cluster; its cluster's own balancer then finds the host. A cluster that is
itself made of others has no hosts of its own, and so adds nothing, also not in a circle.

Models    envoy.extensions.clusters.aggregate.v3.ClusterConfig
Follows   envoy/source/extensions/clusters/aggregate/{cluster.cc,lb_context.h}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from simulator.envoy.balance import Context, Host, Pick
from simulator.envoy.balance.priority import Census, share
from simulator.envoy.cluster import Cluster
from simulator.envoy.draws import Draws

if TYPE_CHECKING:
    from simulator.envoy.upstream import Upstream


class AggregateBalancer:
    """Chooses a cluster's priority, then lets that cluster choose."""

    __slots__ = ("_cluster", "_upstreams")

    def __init__(self, cluster: Cluster, upstreams: Mapping[str, Upstream]) -> None:
        """`upstreams` are all of the proxy's, and may change."""
        self._cluster = cluster
        self._upstreams = upstreams

    def refresh(self, cluster: Cluster, _: Mapping[str, Host]) -> None:
        """Take the cluster as it is now."""
        self._cluster = cluster

    @property
    def census(self) -> tuple[tuple[Census, Census], ...]:
        """Return how many hosts there are in each priority: it has none of its own."""
        return ()

    def choose(
        self, draws: Draws, context: Context, trail: list[Pick] | None = None
    ) -> Host | None:
        """Return a host, or `None` if none may serve; `context` is told whose it is."""
        line = [
            (upstream, priority, *counts)
            for upstream in map(self._upstreams.get, self._cluster.members)
            if upstream is not None
            for priority, counts in enumerate(upstream.balancer.census)
            if counts[0].hosts
        ]
        if not line:
            context.missed = "none of its clusters has an endpoint"
            return None
        loads = share(
            [count for *_, count, _ in line],
            [weight for *_, weight in line],
            panic_threshold=self._cluster.panic_threshold,
        )
        place, degraded = loads.choose(draws.next("aggregate"))
        upstream, priority, *_ = line[place]
        context.standing = priority, degraded
        context.owner = upstream
        seen = len(trail) if trail is not None else 0
        host = upstream.choose(draws, context, trail)
        if trail is not None:
            where = f"of {upstream.cluster.name}, number {place + 1} of {len(line)} priorities"
            told = trail[seen:]
            trail[seen:] = [replace(pick, reason=f"{where}: {pick.reason}") for pick in told]
        return host
