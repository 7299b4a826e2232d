"""A cluster as it runs: its endpoints, its policies and its limits.

Models    envoy.config.cluster.v3.Cluster, envoy.config.endpoint.v3.ClusterLoadAssignment
Follows   envoy/source/common/upstream/upstream_impl.cc
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from simulator.diagnostics import Diagnostic
from simulator.envoy.health_check import HealthCheck
from simulator.envoy.subset_config import SubsetConfig
from simulator.envoy.transport import ClientTls, Transport

CONNECT_TIMEOUT_NS = 5_000_000_000
PANIC_THRESHOLD = 50
OVERPROVISIONING = 140
OVERRIDE_STATUSES = ("UNKNOWN", "HEALTHY", "DEGRADED")
UPDATE_MERGE_WINDOW_NS = 1_000_000_000


class Health(StrEnum):
    """Whether an endpoint may be given requests."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class Discovery(StrEnum):
    """How a cluster comes by its endpoints."""

    STATIC = "STATIC"
    STRICT_DNS = "STRICT_DNS"
    LOGICAL_DNS = "LOGICAL_DNS"
    EDS = "EDS"
    ORIGINAL_DST = "ORIGINAL_DST"
    AGGREGATE = "AGGREGATE"


class Policy(StrEnum):
    """How an endpoint is chosen."""

    ROUND_ROBIN = "ROUND_ROBIN"
    LEAST_REQUEST = "LEAST_REQUEST"
    RANDOM = "RANDOM"
    RING_HASH = "RING_HASH"
    MAGLEV = "MAGLEV"
    CLUSTER_PROVIDED = "CLUSTER_PROVIDED"


class LookupFamily(StrEnum):
    """Which addresses of a name count."""

    AUTO = "AUTO"
    V4_ONLY = "V4_ONLY"
    V6_ONLY = "V6_ONLY"
    V4_PREFERRED = "V4_PREFERRED"
    ALL = "ALL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """How the names of a DNS cluster are asked for."""

    family: LookupFamily = LookupFamily.AUTO
    refresh_ns: int = 5_000_000_000
    respect_ttl: bool = False
    """Whether an answer holds as long as it says, in place of `refresh_ns`."""
    jitter_ns: int = 0
    """Up to how much later it is asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One host of a cluster."""

    address: str
    port: int
    weight: int = 1
    health: Health = Health.HEALTHY
    status: str = "UNKNOWN"
    """What its assignment says of its health, in Envoy's words."""
    locality: str = ""
    """`region/zone/subzone`, empty where none is given."""
    priority: int = 0
    hostname: str = ""
    draining: bool = False
    """Whether it counts as if it were not there, though unhealthy hosts may serve in panic."""
    unchecked: bool = False
    """Whether health checks pass it by."""
    check_port: int = 0
    """Where it is checked; 0: where it serves."""
    check_hostname: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict, compare=False)
    field_path: str = field(default="", compare=False)
    """Where it stands in its resource: `endpoints[0].lb_endpoints[1]`."""

    @property
    def key(self) -> str:
        """Return `ip:port`, as `[ip]:port` for IPv6."""
        address = self.address
        return f"[{address}]:{self.port}" if ":" in address else f"{address}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What the circuit breakers of one routing priority let through at a time."""

    max_connections: int = 1024
    max_pending_requests: int = 1024
    max_requests: int = 1024
    max_retries: int = 3
    budget_percent: float | None = None
    """A retry budget, which replaces `max_retries`: so much of the active requests."""
    min_retry_concurrency: int = 3
    field_path: str = ""

    def allows_retry(self, retries: int, requests: int) -> bool:
        """Say whether one more retry fits beside `retries` of `requests` under way."""
        if self.budget_percent is None:
            return retries < self.max_retries
        allowed = int(self.budget_percent / 100 * requests)
        return retries < max(allowed, self.min_retry_concurrency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashing:
    """How a hash finds its endpoint: RING_HASH and MAGLEV."""

    minimum_ring_size: int = 1024
    maximum_ring_size: int = 8_388_608
    murmur: bool = False
    """Whether the ring is made with MurmurHash2 instead of xxHash64."""
    table_size: int = 65_537
    """Of Maglev's table; a prime number."""
    use_hostname: bool = False
    """Whether endpoints are known by their host names instead of their addresses."""
    balance_factor: int = 0
    """How much of the average load, in percent, one endpoint may have; 0: any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowStart:
    """How an endpoint's share grows while it is new."""

    window_ns: int
    aggression: float = 1.0
    min_weight_percent: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneAware:
    """How far requests stay in the proxy's own locality, where it knows others of its kind."""

    routing_enabled: int = 100
    """Which percentage of the requests is led so."""
    min_cluster_size: int = 6
    """How many healthy hosts there must be."""
    fail_traffic_on_panic: bool = False
    """Whether panic leaves no host, in place of all."""
    force_local_min: int | None = None
    """How many healthy hosts of the own locality are enough for all requests."""
    by_weight: bool = False
    """Whether hosts count by their weights."""


_TRANSPORT_MATCH = "envoy.transport_socket_match"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlierDetection:
    """When an endpoint that fails is left out for a while; names and defaults are Envoy's.

    `enforcing_*` are percentages: how often a detection leads to an ejection.
    """

    interval_ns: int = 10_000_000_000
    base_ejection_time_ns: int = 30_000_000_000
    max_ejection_time_ns: int = 300_000_000_000
    max_ejection_time_jitter_ns: int = 0
    max_ejection_percent: int = 10
    always_eject_one_host: bool = False
    split_external_local_origin_errors: bool = False
    consecutive_5xx: int = 5
    enforcing_consecutive_5xx: int = 100
    consecutive_gateway_failure: int = 5
    enforcing_consecutive_gateway_failure: int = 0
    consecutive_local_origin_failure: int = 5
    enforcing_consecutive_local_origin_failure: int = 100
    success_rate_minimum_hosts: int = 5
    success_rate_request_volume: int = 100
    success_rate_stdev_factor: int = 1900
    enforcing_success_rate: int = 100
    enforcing_local_origin_success_rate: int = 100
    failure_percentage_threshold: int = 85
    failure_percentage_minimum_hosts: int = 5
    failure_percentage_request_volume: int = 50
    enforcing_failure_percentage: int = 0
    enforcing_failure_percentage_local_origin: int = 0
    successful_active_health_check_uneject_host: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A group of endpoints that a route can name."""

    name: str
    alt_stat_name: str = ""
    """Under which statistics and logs speak of it; empty: its name."""
    source_address: str = ""
    """From which connections are made; empty: the proxy's own."""
    type: Discovery = Discovery.STATIC
    lb_policy: Policy = Policy.ROUND_ROBIN
    endpoints: tuple[Endpoint, ...] = ()
    """In the order of the assignment."""
    lookup: Lookup = Lookup()
    """Of the names among them, where the type is one of DNS."""
    members: tuple[str, ...] = ()
    """The clusters that an AGGREGATE is made of, the preferred one first."""
    endpoints_kind: str = "clusters"
    """Where the endpoints stand: `clusters` (in the cluster) or `endpoints` (EDS)."""
    endpoints_resource: str = ""
    connect_timeout_ns: int = CONNECT_TIMEOUT_NS
    http2: bool = False
    """Whether its endpoints are spoken to in HTTP/2."""
    as_client: bool = False
    """Whether they are spoken to as the client speaks."""
    max_concurrent_streams: int = 1024
    """How many requests share a connection of HTTP/2."""
    max_requests_per_connection: int = 0
    """0: any number."""
    max_stream_duration_ns: int = 0
    """How long an attempt may last; 0: for ever."""
    choice_count: int = 2
    active_request_bias: float = 1.0
    full_scan: bool = False
    hashing: Hashing = Hashing()
    slow_start: SlowStart | None = None
    subsets: SubsetConfig | None = None
    zone_aware: ZoneAware = ZoneAware()
    locality_weighted: bool = False
    """Whether a locality is chosen first, by its weight."""
    locality_weights: Mapping[tuple[int, str], int] = field(default_factory=dict)
    """By priority and locality."""
    override_statuses: tuple[str, ...] = OVERRIDE_STATUSES
    """How a host may be that a filter asks for."""
    panic_threshold: int = PANIC_THRESHOLD
    overprovisioning: int = OVERPROVISIONING
    weighted_priority_health: bool = False
    update_merge_window_ns: int = UPDATE_MERGE_WINDOW_NS
    """How long after one change of an endpoint's health the next ones are held back."""
    thresholds: Thresholds = Thresholds()
    high_thresholds: Thresholds = Thresholds()
    outlier_detection: OutlierDetection | None = None
    health_check: HealthCheck | None = None
    keep_until_unhealthy: bool = True
    """Whether a host that goes while its health checks pass stays until one fails."""
    pending_until_checked: bool = False
    """Whether hosts that come count for nothing until they were checked once."""
    original_dst_header: str | None = None
    """A header that names the destination of an ORIGINAL_DST cluster, where one may."""
    original_dst_port: int | None = None
    transports: tuple[Transport, ...] = ()
    """How endpoints are spoken to: the first that suits one; in plain text by default."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """By filter name."""
    diagnostics: tuple[Diagnostic, ...] = ()

    def tls(self, endpoint: Endpoint) -> ClientTls | None:
        """Return the TLS that an endpoint is spoken to with; None for plain text."""
        if not self.transports:
            return None
        known = endpoint.metadata.get("filter_metadata", {}).get(_TRANSPORT_MATCH, {})
        return next((each.tls for each in self.transports if each.suits(known)), None)

    @property
    def priorities(self) -> int:
        """Return how many priorities there are, empty ones between included."""
        return max((endpoint.priority for endpoint in self.endpoints), default=0) + 1
