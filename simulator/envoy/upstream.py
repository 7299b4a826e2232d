"""A cluster while a proxy runs: its hosts, whose turn it is, and what is under way.

Models    Cluster.{circuit_breakers, ignore_health_on_host_removal}
Follows   envoy/source/common/upstream/{cluster_manager_impl.cc,upstream_impl.cc,
          resource_manager_impl.h}
Leaves    circuit breakers of one host (docs/fidelity.md#connection-pool)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from simulator.envoy.aggregate import AggregateBalancer
from simulator.envoy.balance import Balancer, Context, Home, Host, Pick, SubsetBalancer
from simulator.envoy.cluster import Cluster, Discovery, Endpoint, Health, Policy
from simulator.envoy.commands import Response
from simulator.envoy.connection import Connection
from simulator.envoy.dns import Names, Resolve
from simulator.envoy.draws import Draws
from simulator.envoy.header_map import first
from simulator.envoy.health import IMMEDIATE_FAILURE, Checker
from simulator.envoy.outlier import Detector
from simulator.envoy.pool import UNLIMITED, Connect, Pool, Turn
from simulator.envoy.request import Request
from simulator.envoy.resources import Resources

_LAST_PORT = 65_535


class Upstream:
    """One cluster of one proxy, with its state."""

    __slots__ = (
        "_connects", "_due_ns", "_high", "_home", "_pools", "_refreshed_ns", "_turns", "_usual",
        "balancer", "cluster", "configured", "health", "hosts", "names", "outliers", "used",
    )  # fmt: skip

    def __init__(
        self,
        cluster: Cluster,
        turns: deque[Turn[Any]] | None = None,
        now: int = 0,
        *,
        home: Home | None = None,
        upstreams: Mapping[str, Upstream] | None = None,
        connects: deque[Connect] | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        """`turns` is told whose waiting for a connection has ended.

        `home` and `upstreams` are the proxy's. `connects` is told which connections are to be
        made; without it, they are there at once. `resolve` is asked for the names of a DNS
        cluster; without it, each name is a host.
        """
        self._home = home
        self.cluster = self.configured = cluster
        self.names: Names | None = None
        if resolve is not None and cluster.type in (Discovery.STRICT_DNS, Discovery.LOGICAL_DNS):
            self.names = Names(cluster, resolve)
        self._turns: deque[Turn[Any]] = deque() if turns is None else turns
        self._connects = connects
        self._pools: dict[tuple[Host, str], Pool[Any]] = {}
        self.hosts: dict[str, Host] = {}
        self._usual = Resources(cluster.thresholds)
        self._high = Resources(cluster.high_thresholds)
        self.balancer: Balancer | SubsetBalancer | AggregateBalancer
        if cluster.type is Discovery.AGGREGATE:
            self.balancer = AggregateBalancer(cluster, {} if upstreams is None else upstreams)
        elif cluster.subsets is not None:
            self.balancer = SubsetBalancer(cluster, cluster.subsets, self._elsewhere)
        else:
            self.balancer = Balancer(cluster, self._elsewhere)
        self._refreshed_ns: int | None = None
        self._due_ns: int | None = None
        """When the balancer is told of changes that are held back."""
        self.used = False
        """Whether anything was ever sent to it."""
        self.health: Checker | None = None
        if cluster.health_check is not None:
            pending = cluster.pending_until_checked and cluster.type is not Discovery.STATIC
            self.health = Checker(
                cluster.health_check, self._checked, self._passed_check, pending=pending
            )
        self.outliers: Detector | None = None
        if cluster.outlier_detection is not None:
            self.outliers = Detector(cluster.outlier_detection, now, self._health_changed)
        self.update(cluster, now)
        # The first hosts of a cluster are no change.
        self._refreshed_ns = None

    def from_address(self, own: str) -> str:
        """Return where connections come from, `ip:0`; `own` is the proxy's; empty: unknown."""
        address = self.cluster.source_address or own
        return f"{address}:0" if address else ""

    def update(self, cluster: Cluster, now: int = 0) -> None:
        """Take the cluster as it is now; hosts that stay keep their state."""
        if self.names is not None:
            cluster = replace(cluster, endpoints=self.names.endpoints())
        hosts: dict[str, Host] = {}
        for endpoint in cluster.endpoints:
            host = self.hosts.get(endpoint.key) or Host(endpoint, now)
            host.endpoint = endpoint
            host.leaving = False
            hosts[endpoint.key] = host
        if self.health is not None and cluster.keep_until_unhealthy:
            cluster = self._keep(cluster, hosts)
        for host, priority in list(self._pools):
            if hosts.get(host.endpoint.key) is not host:
                self._pools.pop((host, priority)).drain()
        self.cluster, self.hosts = cluster, hosts
        if self.outliers is not None:
            self.outliers.update(hosts.values())
        if self.health is not None:
            self.health.update(hosts.values())
        # Who comes or goes is known at once, with all that was held back.
        self._rebalance(now)

    def look_up(self, name: str, draws: Draws, now: int) -> int:
        """Ask for one of its names again; return how long until the next time."""
        assert self.names is not None, "only names are looked up"
        if self.names.ask(name):
            self.update(self.cluster, now)
        return self.names.wait_ns(name, draws)

    def _keep(self, cluster: Cluster, hosts: dict[str, Host]) -> Cluster:
        """Return the cluster with the hosts that go, but whose health checks pass."""
        for key, host in self.hosts.items():
            passes = not (host.failed or host.endpoint.unchecked)
            if key not in hosts and passes and host.endpoint.health is not Health.UNHEALTHY:
                host.leaving = True
                hosts[key] = host
        kept = tuple(host.endpoint for host in hosts.values() if host.leaving)
        return replace(cluster, endpoints=(*cluster.endpoints, *kept)) if kept else cluster

    def _checked(self, now: int) -> None:
        """Take that a health check has changed a host's health."""
        if any(host.leaving and host.failed for host in self.hosts.values()):
            stay = tuple(e for e in self.cluster.endpoints if not self.hosts[e.key].leaving)
            self.update(replace(self.cluster, endpoints=stay), now)
        elif self.health is not None and self.health.warming:
            # The cluster is not in use before all its hosts have been checked.
            self._rebalance(now)
            self._refreshed_ns = None
        else:
            self._health_changed(now)

    def _passed_check(self, host: Host, now: int) -> None:
        if self.outliers is not None:
            self.outliers.passed_check(host, now)

    def heed(self, host: Host, response: Response, now: int) -> None:
        """Take a host's response that may ask to leave it out."""
        if self.health is not None and first(response.headers, IMMEDIATE_FAILURE) is not None:
            self.health.fail_immediately(host, now)

    @property
    def _elsewhere(self) -> Home | None:
        """Where the proxy is, to a cluster that is not its own."""
        home = self._home
        return home if home is not None and home.cluster != self.cluster.name else None

    def _rebalance(self, now: int) -> None:
        if self._home is not None and self._home.cluster == self.cluster.name:
            self._home.update(list(self.hosts.values()))
        self.balancer.refresh(self.cluster, self.hosts)
        self._refreshed_ns, self._due_ns = now, None

    def _health_changed(self, now: int) -> None:
        """Let the balancer know, unless it was told of another change just before."""
        window = self.cluster.update_merge_window_ns
        if self._refreshed_ns is None or not window or now - self._refreshed_ns > window:
            self._rebalance(now)
        elif self._due_ns is None:
            self._due_ns = now + window

    def choose(
        self, draws: Draws, context: Context, trail: list[Pick] | None = None
    ) -> Host | None:
        """Return the host for an attempt, or `None` if none may serve."""
        outliers = self.outliers
        if outliers is not None and outliers.next_ns <= context.now:
            outliers.advance(context.now, draws)
        if self._due_ns is not None and context.now >= self._due_ns:
            self._rebalance(self._due_ns)
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

    def overridden(self, key: str, trail: list[Pick] | None) -> Host | None:
        """Return the host `ip:port` that a filter asks for, if it is as such a host may be."""
        host = self.hosts.get(key)
        if host is None or host.status not in self.cluster.override_statuses:
            return None
        return self.named(key, "the session's own", trail)

    def original_destination(
        self, connection: Connection | None, request: Request, trail: list[Pick] | None
    ) -> Host | None:
        """Return the host that the client thought it connected to, or that a header names."""
        cluster = self.cluster
        endpoint = None
        if cluster.original_dst_header is not None:
            endpoint = _place(request.first(cluster.original_dst_header) or "")
        why = "what a header names"
        if endpoint is None and connection is not None:
            endpoint = Endpoint(address=connection.address, port=connection.port)
            why = "where the client connected to"
        if endpoint is None:
            return None
        if cluster.original_dst_port is not None:
            endpoint = replace(endpoint, port=cluster.original_dst_port)
        self.hosts.setdefault(endpoint.key, Host(endpoint))
        return self.named(endpoint.key, why, trail)

    def resources(self, priority: str) -> Resources:
        """Return what is counted for a routing priority, `DEFAULT` or `HIGH`."""
        return self._high if priority == "HIGH" else self._usual

    def pool(self, host: Host, priority: str) -> Pool[Any]:
        """Return the connections to a host for a routing priority."""
        self.used = True
        found = self._pools.get((host, priority))
        if found is None:
            cluster = self.cluster
            found = self._pools[host, priority] = Pool(
                host,
                self.resources(priority),
                self._turns,
                concurrent=cluster.max_concurrent_streams if cluster.http2 else 1,
                lifetime=cluster.max_requests_per_connection or UNLIMITED,
                connects=self._connects,
                connect_timeout_ns=cluster.connect_timeout_ns,
                tls=cluster.tls(host.endpoint) is not None,
            )
        return found


def _place(text: str) -> Endpoint | None:
    """Return the endpoint at `ip:port`; `None` for what is none."""
    address, _, port = text.rpartition(":")
    try:
        ip = ip_address(address.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
    bracketed = address.startswith("[") and address.endswith("]")
    if bracketed != (ip.version == 6) or not (port.isascii() and port.isdigit()):
        return None
    return Endpoint(address=str(ip), port=int(port)) if int(port) <= _LAST_PORT else None
