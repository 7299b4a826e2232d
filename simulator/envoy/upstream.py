"""A cluster while a proxy runs: its hosts, whose turn it is, and what is under way.

Models    Cluster.circuit_breakers
Follows   envoy/source/common/upstream/{cluster_manager_impl.cc,resource_manager_impl.h}
Leaves    connections and their pending queue (docs/fidelity.md#connection-pool)
"""

from __future__ import annotations

from dataclasses import replace

from simulator.envoy.balance import Balancer, Context, Host, Pick
from simulator.envoy.cluster import Cluster, Endpoint, Policy, Thresholds
from simulator.envoy.connection import Connection
from simulator.envoy.draws import Draws
from simulator.envoy.request import Request


class Resources:
    """What is under way to a cluster in one routing priority, and how much may be.

    Follows   envoy/source/common/upstream/resource_manager_impl.h
    """

    __slots__ = ("limits", "requests", "retries")

    def __init__(self, limits: Thresholds) -> None:
        self.limits = limits
        self.requests = 0
        """Attempts under way."""
        self.retries = 0
        """Retries decided on and not yet answered; their back-off counts."""

    def admits(self) -> bool:
        """Say whether the circuit breaker lets one more request through."""
        return self.requests < self.limits.max_requests

    def allows_retry(self) -> bool:
        """Say whether the circuit breaker lets one more retry through."""
        return self.limits.allows_retry(self.retries, self.requests)


class Upstream:
    """One cluster of one proxy, with its state."""

    __slots__ = ("_high", "_usual", "balancer", "cluster", "hosts")

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.hosts: dict[str, Host] = {}
        self._usual = Resources(cluster.thresholds)
        self._high = Resources(cluster.high_thresholds)
        self.balancer = Balancer(cluster)
        self.update(cluster)

    def update(self, cluster: Cluster) -> None:
        """Take the cluster as it is now; hosts that stay keep their state."""
        hosts: dict[str, Host] = {}
        for endpoint in cluster.endpoints:
            host = self.hosts.get(endpoint.key) or Host(endpoint)
            host.endpoint = endpoint
            hosts[endpoint.key] = host
        self.cluster, self.hosts = cluster, hosts
        self.balancer.refresh(cluster, hosts)

    def choose(
        self, draws: Draws, context: Context, trail: list[Pick] | None = None
    ) -> Host | None:
        """Return the host for an attempt, or `None` if none may serve."""
        return self.balancer.choose(draws, context, trail)

    @property
    def hashes(self) -> bool:
        """Say whether a hash of the request finds its host."""
        return self.cluster.lb_policy in (Policy.RING_HASH, Policy.MAGLEV)

    def named(self, key: str, reason: str, trail: list[Pick] | None) -> Host | None:
        """Return the host `ip:port`, if there is one."""
        host = self.hosts.get(key)
        if host is not None and trail is not None:
            trail.append(Pick(host=host, reason=reason, kept=True))
        return host

    def original_destination(
        self, connection: Connection | None, request: Request, trail: list[Pick] | None
    ) -> Host | None:
        """Return the host that the client thought it connected to, or that a header names."""
        cluster = self.cluster
        named = request.first(cluster.original_dst_header) if cluster.original_dst_header else None
        if named is not None:
            address, _, port = named.rpartition(":")
            if not port.isdigit():
                return None
            endpoint = Endpoint(address=address, port=int(port))
        elif connection is not None:
            endpoint = Endpoint(address=connection.address, port=connection.port)
        else:
            return None
        if cluster.original_dst_port is not None:
            endpoint = replace(endpoint, port=cluster.original_dst_port)
        self.hosts.setdefault(endpoint.key, Host(endpoint))
        return self.named(endpoint.key, "where the client connected to", trail)

    def resources(self, priority: str) -> Resources:
        """Return what is counted for a routing priority, `DEFAULT` or `HIGH`."""
        return self._high if priority == "HIGH" else self._usual
