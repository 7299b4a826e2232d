"""Write a DestinationRule's traffic policy into a cluster.

Models    envoy.config.cluster.v3.Cluster (circuit breakers, outlier detection, balancing)
Follows   istio pilot/pkg/networking/core/cluster_traffic_policy.go, networking/util/util.go
          (MergeSubsetTrafficPolicy)
Leaves    PROXY protocol
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulator.config.istio import (
    ConnectionPoolSettings,
    LoadBalancerSettings,
    MeshConfig,
    OutlierDetection,
    RetryBudget,
    TcpKeepalive,
    TrafficPolicy,
)
from simulator.config.objects import Object
from simulator.envoy_api import message, pack
from simulator.istiod.destination_rule import Placed, Rule
from simulator.istiod.part import Part, duration, wrapped
from simulator.istiod.protocol import Protocol

_UNLIMITED = 2**32 - 1
_BUDGET_PERCENT = 20.0
_BUDGET_LEAST = 3
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block of a policy (such as `outlierDetection`) and where it was written."""

    value: Any
    source: Object
    at: str


Blocks = dict[str, Block]
"""The blocks that hold for a cluster, by their field name."""

_BLOCKS = {
    "connection_pool": "connectionPool",
    "outlier_detection": "outlierDetection",
    "load_balancer": "loadBalancer",
    "tls": "tls",
}
_OF_ALL_PORTS = {"retry_budget": "retryBudget"}
"""What a port's own settings leave alone."""


def blocks(policy: TrafficPolicy | None, port: int, source: Object, at: str) -> Blocks:
    """Return a policy's blocks for a port: the port's own, if it has any, replace them all."""
    if policy is None:
        return {}
    common = _of(policy, _OF_ALL_PORTS, source, at)
    for index, each in enumerate(policy.port_level_settings or ()):
        if each.port is not None and each.port.number == port:
            return common | _of(each, _BLOCKS, source, f"{at}.portLevelSettings[{index}]")
    return common | _of(policy, _BLOCKS, source, at)


def _of(policy: Any, fields: Mapping[str, str], source: Object, at: str) -> Blocks:  # noqa: ANN401 - a policy, or a port's
    return {
        field: Block(value=value, source=source, at=f"{at}.{written}")
        for field, written in fields.items()
        if (value := getattr(policy, field)) is not None
    }


def of_cluster(rule: Rule | None, port: int, placed: Placed | None) -> Blocks:
    """Return the blocks for a service's port, or for one of its subsets: its own come first."""
    if rule is None:
        return {}
    found = blocks(rule.policy, port, rule.policy_source, "spec.trafficPolicy")
    if placed is None:
        return found
    own = placed.subset.traffic_policy
    return {**found, **blocks(own, port, placed.source, f"{placed.at}.trafficPolicy")}


def connection_pool(
    mesh: MeshConfig, cluster: Part, block: Block | None, options: dict[str, Any]
) -> None:
    """Set time-outs and circuit breakers; `options` are the cluster's HTTP protocol options."""
    cluster.put("connect_timeout", duration(mesh.connect_timeout_ns))
    if mesh.tcp_keepalive is not None:
        alive = {"tcp_keepalive": _alive(mesh.tcp_keepalive)}
        cluster.put("upstream_connection_options", alive)
    limits = Part(
        value={
            "max_connections": wrapped(_UNLIMITED),
            "max_pending_requests": wrapped(_UNLIMITED),
            "max_requests": wrapped(_UNLIMITED),
            "max_retries": wrapped(_UNLIMITED),
            "track_remaining": True,
        }
    )
    if block is not None:
        pool: ConnectionPoolSettings = block.value
        _limits(limits, pool, block)
        if pool.tcp is not None and pool.tcp.connect_timeout_ns is not None:
            timeout = duration(pool.tcp.connect_timeout_ns)
            cluster.put("connect_timeout", timeout, block.source, f"{block.at}.tcp.connectTimeout")
        _keepalive(cluster, pool, block)
        _connections(pool, options)
    breakers = Part()
    breakers.list("thresholds", [limits])
    cluster.nest("circuit_breakers", breakers)


def retry_budget(cluster: Part, block: Block | None) -> None:
    """Have retries limited by what else is under way, in place of a number."""
    if block is None:
        return
    spec: RetryBudget = block.value
    budget = Part()
    budget.note("", block.source, block.at)
    share = _BUDGET_PERCENT if spec.percent is None else spec.percent
    least = spec.min_retry_concurrency or _BUDGET_LEAST
    budget.put("budget_percent", {"value": share}, block.source, f"{block.at}.percent")
    place = f"{block.at}.minRetryConcurrency"
    budget.put("min_retry_concurrency", wrapped(least), block.source, place)
    (limits,) = cluster.value["circuit_breakers"]["thresholds"]
    limits["retry_budget"] = budget.value
    for path, written in budget.sources.items():
        root = "circuit_breakers.thresholds[0].retry_budget"
        cluster.sources[f"{root}.{path}" if path else root] = written


def _limits(limits: Part, pool: ConnectionPoolSettings, block: Block) -> None:
    limits.note("", block.source, block.at)
    http, tcp = pool.http, pool.tcp
    given = {
        "max_connections": (tcp and tcp.max_connections, "tcp.maxConnections"),
        "max_pending_requests": (
            http and http.http1_max_pending_requests,
            "http.http1MaxPendingRequests",
        ),
        "max_requests": (http and http.http2_max_requests, "http.http2MaxRequests"),
        "max_retries": (http and http.max_retries, "http.maxRetries"),
    }
    for field, (limit, written) in given.items():
        # Zero cannot be told from unset in Istio's API, and means the default.
        if isinstance(limit, int) and limit > 0:
            limits.put(field, wrapped(limit), block.source, f"{block.at}.{written}")


def _keepalive(cluster: Part, pool: ConnectionPoolSettings, block: Block) -> None:
    keepalive = pool.tcp.tcp_keepalive if pool.tcp is not None else None
    if keepalive is None:
        return
    known = cluster.value.get("upstream_connection_options", {}).get("tcp_keepalive", {})
    options = {"tcp_keepalive": {**known, **_alive(keepalive)}}
    cluster.put(
        "upstream_connection_options", options, block.source, f"{block.at}.tcp.tcpKeepalive"
    )


def _alive(keepalive: TcpKeepalive) -> dict[str, Any]:
    value: dict[str, Any] = {}
    if keepalive.probes:
        value["keepalive_probes"] = wrapped(keepalive.probes)
    if keepalive.time_ns:
        value["keepalive_time"] = wrapped(keepalive.time_ns // 1_000_000_000)
    if keepalive.interval_ns:
        value["keepalive_interval"] = wrapped(keepalive.interval_ns // 1_000_000_000)
    return value


def _connections(pool: ConnectionPoolSettings, options: dict[str, Any]) -> None:
    common: dict[str, Any] = {}
    http, tcp = pool.http, pool.tcp
    idle_ns = http.idle_timeout_ns if http is not None else None
    if idle_ns is None and tcp is not None:
        idle_ns = tcp.idle_timeout_ns
    if idle_ns is not None:
        common["idle_timeout"] = duration(idle_ns)
    if http is not None and http.max_requests_per_connection:
        common["max_requests_per_connection"] = wrapped(http.max_requests_per_connection)
    if tcp is not None and tcp.max_connection_duration_ns is not None:
        common["max_connection_duration"] = duration(tcp.max_connection_duration_ns)
    if common:
        options["common_http_protocol_options"] = common
    if http is None:
        return
    explicit = options.get("explicit_http_config", {})
    if http.max_concurrent_streams and "http2_protocol_options" in explicit:
        streams = wrapped(http.max_concurrent_streams)
        explicit["http2_protocol_options"] = {"max_concurrent_streams": streams}
    if http.use_client_protocol:
        use_downstream_protocol(options)
    elif http.h2_upgrade_policy == "UPGRADE" and "use_downstream_protocol_config" not in options:
        options["explicit_http_config"] = {"http2_protocol_options": {}}


def upstream_protocol(protocol: Protocol, *, sidecar: bool) -> dict[str, Any]:
    """Return the HTTP protocol options that a port's protocol asks for; often none."""
    options: dict[str, Any] = {}
    if protocol.http2:
        options["explicit_http_config"] = {"http2_protocol_options": {}}
    elif sidecar and protocol.sniffed:
        use_downstream_protocol(options)
    return options


def upgrade(
    mesh: MeshConfig, protocol: Protocol, block: Block | None, options: dict[str, Any]
) -> None:
    """Have an HTTP port spoken to in HTTP/2, where the mesh wants that and no rule objects."""
    http = block.value.http if block is not None else None
    refused = http is not None and (
        http.h2_upgrade_policy == "DO_NOT_UPGRADE" or http.use_client_protocol
    )
    named = protocol.http and not protocol.sniffed
    if mesh.h2_upgrade_policy == "UPGRADE" and named and not refused:
        options.setdefault("explicit_http_config", {"http2_protocol_options": {}})


def use_downstream_protocol(options: dict[str, Any]) -> None:
    """Have the upstream spoken to as the client speaks."""
    options.pop("explicit_http_config", None)
    options["use_downstream_protocol_config"] = {
        "http_protocol_options": {},
        "http2_protocol_options": {},
    }


def http_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return the cluster's `typed_extension_protocol_options`; empty for no options."""
    if not options:
        return {}
    complete = dict(options)
    if "use_downstream_protocol_config" not in complete:
        complete.setdefault("explicit_http_config", {"http_protocol_options": {}})
    return {HTTP_OPTIONS: pack(message(HTTP_OPTIONS)(**complete))}


def outlier_detection(cluster: Part, block: Block | None) -> None:
    """Set passive health checking; with it the panic threshold is the rule's, by default none."""
    if block is None:
        return
    spec: OutlierDetection = block.value
    part = Part(value={"enforcing_success_rate": wrapped(0)})
    source, at = block.source, block.at
    part.note("", source, at)
    counts = {
        "consecutive_5xx": (spec.consecutive_5xx_errors, "consecutive5xxErrors"),
        "consecutive_gateway_failure": (
            spec.consecutive_gateway_errors,
            "consecutiveGatewayErrors",
        ),
    }
    for field, (count, written) in counts.items():
        if count is not None:
            part.put(field, wrapped(count), source, f"{at}.{written}")
            part.put(f"enforcing_{field}", wrapped(100 if count else 0), source, f"{at}.{written}")
    if spec.interval_ns is not None:
        part.put("interval", duration(spec.interval_ns), source, f"{at}.interval")
    if spec.base_ejection_time_ns is not None:
        time = duration(spec.base_ejection_time_ns)
        part.put("base_ejection_time", time, source, f"{at}.baseEjectionTime")
    if spec.max_ejection_percent:
        share = wrapped(spec.max_ejection_percent)
        part.put("max_ejection_percent", share, source, f"{at}.maxEjectionPercent")
    if spec.split_external_local_origin_errors:
        part.put("split_external_local_origin_errors", value=True)
        if spec.consecutive_local_origin_failures:
            failures = wrapped(spec.consecutive_local_origin_failures)
            part.put("consecutive_local_origin_failure", failures)
            part.put("enforcing_consecutive_local_origin_failure", wrapped(100))
        part.put("enforcing_local_origin_success_rate", wrapped(0))
    cluster.nest("outlier_detection", part)
    threshold = float(spec.min_health_percent or 0)
    cluster.value["common_lb_config"]["healthy_panic_threshold"] = {"value": threshold}
    if threshold > 0:
        path = "common_lb_config.healthy_panic_threshold"
        cluster.note(path, source, f"{at}.minHealthPercent")


def load_balancer(cluster: Part, block: Block | None) -> None:
    """Set how an endpoint is chosen; by default the less busy of two."""
    spec: LoadBalancerSettings | None = block.value if block is not None else None
    if block is not None:
        cluster.note("lb_policy", block.source, block.at)
    simple = (spec.simple if spec is not None else None) or "UNSPECIFIED"
    if simple == "PASSTHROUGH":
        cluster.value["type"] = "ORIGINAL_DST"
        cluster.value.pop("load_assignment", None)
    if cluster.value["type"] == "ORIGINAL_DST":
        cluster.value["lb_policy"] = "CLUSTER_PROVIDED"
        return
    policies = {"RANDOM": "RANDOM", "ROUND_ROBIN": "ROUND_ROBIN"}
    cluster.value["lb_policy"] = policies.get(simple, "LEAST_REQUEST")
    if spec is None:
        return
    _slow_start(cluster, spec)
    if spec.consistent_hash is not None:
        _consistent_hash(cluster, spec)


def _slow_start(cluster: Part, spec: LoadBalancerSettings) -> None:
    warmup = spec.warmup
    window_ns = warmup.duration_ns if warmup is not None else spec.warmup_duration_secs_ns
    field = {
        "LEAST_REQUEST": "least_request_lb_config",
        "ROUND_ROBIN": "round_robin_lb_config",
    }.get(cluster.value["lb_policy"])
    if window_ns is None or field is None:
        return
    slow: dict[str, Any] = {"slow_start_window": duration(window_ns)}
    if warmup is not None:
        if warmup.aggression is not None:
            slow["aggression"] = {
                "default_value": warmup.aggression,
                "runtime_key": "aggression",
            }
        if warmup.minimum_percent is not None:
            slow["min_weight_percent"] = {"value": float(warmup.minimum_percent)}
    cluster.value[field] = {"slow_start_config": slow}


def _consistent_hash(cluster: Part, spec: LoadBalancerSettings) -> None:
    chosen = spec.consistent_hash
    assert chosen is not None
    if chosen.maglev is not None:
        cluster.value["lb_policy"] = "MAGLEV"
        if chosen.maglev.table_size:
            size = wrapped(chosen.maglev.table_size)
            cluster.value["maglev_lb_config"] = {"table_size": size}
        return
    cluster.value["lb_policy"] = "RING_HASH"
    least = chosen.minimum_ring_size or 1024
    if chosen.ring_hash is not None:
        least = chosen.ring_hash.minimum_ring_size
    if least:
        cluster.value["ring_hash_lb_config"] = {"minimum_ring_size": wrapped(least)}
