"""The DestinationRule as written.

Follows   istio.io/api networking/v1alpha3/destination_rule.proto
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from simulator.config.istio.selector import WorkloadMatcher
from simulator.config.istio.virtual_service import PortSelector
from simulator.config.model import (
    Bool,
    Duration,
    Int32,
    LastingDuration,
    Spec,
    Text,
    UInt32,
    UInt64,
    only_one,
)


class CookieAttribute(Spec):
    """One more attribute of a generated cookie."""

    name: Text
    value: Text = ""


class HTTPCookie(Spec):
    """The cookie that ties a client to an endpoint."""

    name: Text
    path: Text = ""
    ttl_ns: Duration | None = None
    attributes: tuple[CookieAttribute, ...] = ()


class RingHash(Spec):
    """A hash ring."""

    minimum_ring_size: UInt64 = 0


class Maglev(Spec):
    """Maglev's table."""

    table_size: UInt64 = 0


class ConsistentHash(Spec):
    """What of a request is hashed, and by which algorithm."""

    http_header_name: Text | None = None
    http_cookie: HTTPCookie | None = None
    use_source_ip: Bool | None = None
    http_query_parameter_name: Text | None = None
    ring_hash: RingHash | None = None
    maglev: Maglev | None = None
    minimum_ring_size: UInt64 = 0

    key = only_one("http_header_name", "http_cookie", "use_source_ip", "http_query_parameter_name")
    algorithm = only_one("ring_hash", "maglev")


class BackendUtilization(Spec):
    """Weights from what the endpoints report of their load."""

    error_utilization_penalty_percent: UInt32 | None = None
    metric_names_for_computing_utilization: tuple[Text, ...] = ()
    weight_expiration_period_ns: Duration | None = None
    weight_stabilization_period_ns: Duration | None = None
    weight_update_period_ns: Duration | None = None


class LocalityDistribute(Spec):
    """Which share goes where from one locality."""

    from_: Text = ""
    to: dict[str, UInt32] = Field(default_factory=dict)


class LocalityFailover(Spec):
    """Which region takes over from another."""

    from_: Text = ""
    to: Text = ""


class LocalityLbSetting(Spec):
    """How locality weighs in the choice of an endpoint."""

    distribute: tuple[LocalityDistribute, ...] = ()
    failover: tuple[LocalityFailover, ...] = ()
    failover_priority: tuple[Text, ...] = ()
    enabled: Bool | None = None


class ZoneAwareLbSetting(Spec):
    """Envoy's own zone-aware routing."""

    failover: tuple[LocalityFailover, ...] = ()
    failover_priority: tuple[Text, ...] = ()
    enabled: Bool | None = None
    min_cluster_size: Annotated[int, Strict(), Field(ge=1, lt=1 << 32)] | None = None


class WarmupConfiguration(Spec):
    """A new endpoint's slow start."""

    duration_ns: LastingDuration
    minimum_percent: Annotated[float, Strict(), Field(ge=0, le=100)] | None = None
    aggression: Annotated[float, Strict(), Field(ge=0)] | None = None


class LoadBalancerSettings(Spec):
    """How an endpoint is chosen."""

    simple: (
        Literal[
            "UNSPECIFIED", "LEAST_CONN", "RANDOM", "PASSTHROUGH", "ROUND_ROBIN", "LEAST_REQUEST"
        ]
        | None
    ) = None
    consistent_hash: ConsistentHash | None = None
    backend_utilization: BackendUtilization | None = None
    locality_lb_setting: LocalityLbSetting | None = None
    zone_aware_lb_setting: ZoneAwareLbSetting | None = None
    warmup_duration_secs_ns: LastingDuration | None = None
    """Deprecated."""
    warmup: WarmupConfiguration | None = None

    policy = only_one("simple", "consistent_hash", "backend_utilization")


class TcpKeepalive(Spec):
    """How idle TCP connections are kept."""

    probes: UInt32 = 0
    time_ns: LastingDuration | None = None
    interval_ns: LastingDuration | None = None


class ConnectionPoolTCP(Spec):
    """Limits of connections."""

    max_connections: Int32 = 0
    connect_timeout_ns: LastingDuration | None = None
    tcp_keepalive: TcpKeepalive | None = None
    max_connection_duration_ns: LastingDuration | None = None
    idle_timeout_ns: Duration | None = None


class HTTP2KeepAlive(Spec):
    """HTTP/2's own pings."""

    interval_ns: LastingDuration | None = None
    timeout_ns: LastingDuration | None = None


class ConnectionPoolHTTP(Spec):
    """Limits of requests."""

    http1_max_pending_requests: Int32 = 0
    http2_max_requests: Int32 = 0
    max_requests_per_connection: Int32 = 0
    max_retries: Int32 = 0
    idle_timeout_ns: LastingDuration | None = None
    h2_upgrade_policy: Literal["DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"] = "DEFAULT"
    use_client_protocol: Bool = False
    max_concurrent_streams: Int32 = 0
    http2_keep_alive: HTTP2KeepAlive | None = None


class ConnectionPoolSettings(Spec):
    """Limits of a host's connections and requests."""

    tcp: ConnectionPoolTCP | None = None
    http: ConnectionPoolHTTP | None = None


class OutlierDetection(Spec):
    """When an endpoint that fails is left out."""

    consecutive_errors: Int32 = 0
    """Removed from the API's effect; still accepted."""
    split_external_local_origin_errors: Bool = False
    consecutive_local_origin_failures: UInt32 | None = None
    consecutive_gateway_errors: UInt32 | None = None
    consecutive_5xx_errors: UInt32 | None = Field(default=None, alias="consecutive5xxErrors")
    interval_ns: LastingDuration | None = None
    base_ejection_time_ns: LastingDuration | None = None
    max_ejection_percent: Int32 = 0
    min_health_percent: Int32 = 0
    outlier_detection_http_error_codes: tuple[
        Annotated[int, Strict(), Field(ge=100, le=599)], ...
    ] = ()


class ClientTLSSettings(Spec):
    """How the proxy speaks TLS to the destination."""

    mode: Literal["DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"] = "DISABLE"
    client_certificate: Text = ""
    private_key: Text = ""
    ca_certificates: Text = ""
    ca_crl: Text = ""
    credential_name: Text = ""
    subject_alt_names: tuple[Text, ...] = ()
    sni: Text = ""
    insecure_skip_verify: Bool | None = None


class Tunnel(Spec):
    """A tunnel through an HTTP proxy."""

    protocol: Text = ""
    target_host: Text
    target_port: UInt32


class ProxyProtocol(Spec):
    """The PROXY protocol's version."""

    version: Literal["V1", "V2"] = "V1"


class RetryBudget(Spec):
    """How many retries may be under way."""

    percent: Annotated[float, Strict(), Field(ge=0, le=100)] | None = None
    min_retry_concurrency: UInt32 = 0
    budget_interval_ns: Duration | None = None


class PortTrafficPolicy(Spec):
    """The policy for one port."""

    port: PortSelector | None = None
    load_balancer: LoadBalancerSettings | None = None
    connection_pool: ConnectionPoolSettings | None = None
    outlier_detection: OutlierDetection | None = None
    tls: ClientTLSSettings | None = None


class TrafficPolicy(Spec):
    """What a client's proxy does on the way to a destination."""

    load_balancer: LoadBalancerSettings | None = None
    connection_pool: ConnectionPoolSettings | None = None
    outlier_detection: OutlierDetection | None = None
    tls: ClientTLSSettings | None = None
    port_level_settings: tuple[PortTrafficPolicy, ...] = Field(default=(), max_length=4096)
    tunnel: Tunnel | None = None
    proxy_protocol: ProxyProtocol | None = None
    retry_budget: RetryBudget | None = None


class Subset(Spec):
    """A part of a service's endpoints, by label."""

    name: Text
    labels: dict[str, Text] = Field(default_factory=dict)
    traffic_policy: TrafficPolicy | None = None


class DestinationRule(Spec):
    """What applies to a host's traffic once it is routed."""

    host: Text
    traffic_policy: TrafficPolicy | None = None
    subsets: tuple[Subset, ...] = ()
    export_to: tuple[Text, ...] = ()
    workload_selector: WorkloadMatcher | None = None
