"""Compile network filters: what stands before the last one, and the TCP proxy.

Follows   envoy/source/extensions/filters/network/*/config.cc
"""

from __future__ import annotations

from typing import Any

from simulator.envoy.compile.access_log import access_logs
from simulator.envoy.compile.fields import optional_ns, token_bucket
from simulator.envoy.compile.rbac import rbac
from simulator.envoy.network_filter_config import (
    ConnectionLimit,
    ConnectionRate,
    NetworkFilter,
    SniCluster,
)
from simulator.envoy.rejected import Scope
from simulator.envoy.tcp import TcpChain, TcpCluster
from simulator.envoy_api import name_of

_PREFIX = "envoy.extensions.filters.network."
TCP = f"{_PREFIX}tcp_proxy.v3.TcpProxy"
_CONTINUOUS = 1


def network_filter(name: str, message: Any, scope: Scope) -> NetworkFilter | None:  # noqa: ANN401
    """Compile a network filter that is not the last; None: it is not modelled."""
    match name_of(message).removeprefix(_PREFIX):
        case "rbac.v3.RBAC":
            if message.enforcement_type == _CONTINUOUS:
                scope.skip("enforcement_type", "a connection is judged once")
            return rbac(message, scope)
        case "connection_limit.v3.ConnectionLimit":
            scope.only(message, "stat_prefix max_connections")
            return ConnectionLimit(
                max_connections=int(message.max_connections.value), field=scope.ref
            )
        case "local_ratelimit.v3.LocalRateLimit":
            scope.only(message, "stat_prefix token_bucket")
            bucket = token_bucket(message.token_bucket, scope.at("token_bucket"))
            return ConnectionRate(bucket=bucket, field=scope.ref)
        case "sni_cluster.v3.SniCluster":
            return SniCluster()
    scope.skip("", f"the network filter {name} lets every connection pass unchanged")
    return None


def tcp_chain(
    message: Any,  # noqa: ANN401 - protobuf
    filters: tuple[NetworkFilter, ...],
    scope: Scope,
    *,
    tls: bool,
    name: str,
) -> TcpChain:
    """Compile a TcpProxy of a filter chain of this name, with the filters before it."""
    scope.only(
        message,
        """stat_prefix cluster weighted_clusters idle_timeout max_connect_attempts access_log""",
    )
    which = message.WhichOneof("cluster_specifier")
    if which is None:
        raise scope.reject("TcpProxyValidationError.ClusterSpecifier: value is required")
    if which == "cluster":
        clusters: tuple[TcpCluster, ...] = (TcpCluster(name=message.cluster),)
    else:
        clusters = tuple(
            TcpCluster(name=one.name, weight=int(one.weight))
            for one in message.weighted_clusters.clusters
        )
    idle = optional_ns(message, "idle_timeout")
    attempts = message.max_connect_attempts
    return TcpChain(
        field=scope.ref,
        stat_prefix=message.stat_prefix,
        clusters=clusters,
        idle_timeout_ns=3_600_000_000_000 if idle is None else idle,
        max_connect_attempts=int(attempts.value) if attempts.value else 1,
        tls=tls,
        filters=filters,
        access_logs=access_logs(message.access_log, scope),
        filter_chain=name,
    )
