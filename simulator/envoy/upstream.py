"""A cluster while a proxy runs: its hosts, whose turn it is, and what is under way.

Models    Cluster.circuit_breakers
Follows   envoy/source/common/upstream/{cluster_manager_impl.cc,resource_manager_impl.h}
Leaves    connections and their pending queue (docs/fidelity.md#connection-pool)
"""

from __future__ import annotations

from collections.abc import Collection

from simulator.envoy.balance import Balancer, Host, Pick
from simulator.envoy.cluster import Cluster
from simulator.envoy.draws import Draws


class Upstream:
    """One cluster of one proxy, with its state."""

    __slots__ = ("_balancer", "cluster", "hosts", "requests", "retries")

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.hosts: dict[str, Host] = {}
        self.requests = 0
        """Attempts under way."""
        self.retries = 0
        """Retries decided on and not yet answered; their back-off counts."""
        self._balancer = Balancer(cluster)
        self.update(cluster)

    def update(self, cluster: Cluster) -> None:
        """Take the cluster as it is now; hosts that stay keep their state."""
        hosts: dict[str, Host] = {}
        for endpoint in cluster.endpoints:
            host = self.hosts.get(endpoint.key) or Host(endpoint)
            host.endpoint = endpoint
            hosts[endpoint.key] = host
        self.cluster, self.hosts = cluster, hosts
        self._balancer.refresh(cluster, hosts)

    def choose(
        self,
        draws: Draws,
        *,
        avoid: Collection[Host] = (),
        picks: int = 1,
        trail: list[Pick] | None = None,
    ) -> Host | None:
        """Return the host for an attempt, or `None` if none may serve."""
        return self._balancer.choose(draws, avoid=avoid, picks=picks, trail=trail)

    def admits(self) -> bool:
        """Say whether the circuit breaker lets one more request through."""
        return self.requests < self.cluster.thresholds.max_requests

    def allows_retry(self) -> bool:
        """Say whether the circuit breaker lets one more retry through."""
        return self.cluster.thresholds.allows_retry(self.retries, self.requests)

    def begin(self, host: Host) -> None:
        """Count an attempt that is sent."""
        host.active += 1
        self.requests += 1

    def end(self, host: Host) -> None:
        """Count an attempt that is over."""
        host.active -= 1
        self.requests -= 1
