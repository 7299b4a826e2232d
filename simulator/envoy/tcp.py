"""A TCP proxy as configured: where its bytes go.

Models    envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
Follows   envoy/source/common/tcp_proxy/tcp_proxy.cc
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.envoy.access_log import AccessLog
from simulator.envoy.network_filter_config import NetworkFilter
from simulator.observe.explain import FieldRef


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpCluster:
    """One cluster that a TCP proxy may choose."""

    name: str
    weight: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpChain:
    """What a TCP proxy does with a connection."""

    field: FieldRef
    stat_prefix: str
    clusters: tuple[TcpCluster, ...]
    idle_timeout_ns: int = 3_600_000_000_000
    max_connect_attempts: int = 1
    tls: bool = False
    """Whether the chain terminates TLS; if not, the bytes may still be TLS."""
    filters: tuple[NetworkFilter, ...] = ()
    """What a connection passes before."""
    access_logs: tuple[AccessLog, ...] = ()
    filter_chain: str = ""

    def cluster(self, random: int) -> str:
        """Return the cluster that a random value chooses by weight."""
        left = random % sum(cluster.weight for cluster in self.clusters)
        for cluster in self.clusters:
            if left < cluster.weight:
                return cluster.name
            left -= cluster.weight
        raise AssertionError("the weights sum up to more than any remainder")
