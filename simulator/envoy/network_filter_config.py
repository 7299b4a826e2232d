"""Network filters that stand before the last one of a chain, as configured.

Models    envoy.extensions.filters.network.{rbac,connection_limit,local_ratelimit,sni_cluster}.v3
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from simulator.envoy.filters.rbac_config import RbacConfig
from simulator.envoy.token_bucket import Bucket
from simulator.observe.explain import FieldRef


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimit:
    """envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit."""

    max_connections: int
    field: FieldRef


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionRate:
    """envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit."""

    bucket: Bucket
    field: FieldRef


@dataclass(frozen=True, slots=True)
class SniCluster:
    """envoy.extensions.filters.network.sni_cluster.v3.SniCluster: the SNI names the cluster."""


NetworkFilter: TypeAlias = RbacConfig | ConnectionLimit | ConnectionRate | SniCluster
