"""A cluster as it runs: its endpoints, its policies and its limits.

Whatever is accepted but not modelled becomes a `not-simulated` finding.

Models    envoy.config.cluster.v3.Cluster, envoy.config.endpoint.v3.ClusterLoadAssignment
Follows   envoy/source/common/upstream/upstream_impl.cc
Leaves    hash policies, zone-aware routing, health checks (docs/fidelity.md#load-balancing),
          outlier detection (docs/fidelity.md#outlier-detection)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from simulator import envoy_api
from simulator.diagnostics import Diagnostic, diagnose
from simulator.envoy_api import name_of, unpack

_CONNECT_TIMEOUT_NS = 5_000_000_000
_PANIC_THRESHOLD = 50
_OVERPROVISIONING = 140


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


class Policy(StrEnum):
    """How an endpoint is chosen."""

    ROUND_ROBIN = "ROUND_ROBIN"
    LEAST_REQUEST = "LEAST_REQUEST"
    RANDOM = "RANDOM"
    CLUSTER_PROVIDED = "CLUSTER_PROVIDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One host of a cluster."""

    address: str
    port: int
    weight: int = 1
    health: Health = Health.HEALTHY
    locality: str = ""
    """`region/zone/subzone`, empty where none is given."""
    priority: int = 0
    hostname: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict, compare=False)
    field_path: str = field(default="", compare=False)
    """Where it stands in its resource: `endpoints[0].lb_endpoints[1]`."""

    @property
    def key(self) -> str:
        """Return `ip:port`."""
        return f"{self.address}:{self.port}"


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
class Cluster:
    """A group of endpoints that a route can name."""

    name: str
    type: Discovery = Discovery.STATIC
    lb_policy: Policy = Policy.ROUND_ROBIN
    endpoints: tuple[Endpoint, ...] = ()
    """In the order of the assignment."""
    endpoints_kind: str = "clusters"
    """Where the endpoints stand: `clusters` (in the cluster) or `endpoints` (EDS)."""
    endpoints_resource: str = ""
    connect_timeout_ns: int = _CONNECT_TIMEOUT_NS
    http2: bool = False
    """Whether its endpoints are spoken to in HTTP/2."""
    choice_count: int = 2
    active_request_bias: float = 1.0
    full_scan: bool = False
    panic_threshold: int = _PANIC_THRESHOLD
    overprovisioning: int = _OVERPROVISIONING
    weighted_priority_health: bool = False
    thresholds: Thresholds = Thresholds()
    high_thresholds: Thresholds = Thresholds()
    original_dst_header: str | None = None
    """A header that names the destination of an ORIGINAL_DST cluster, where one may."""
    original_dst_port: int | None = None
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def priorities(self) -> int:
        """Return how many priorities there are, empty ones between included."""
        return max((endpoint.priority for endpoint in self.endpoints), default=0) + 1


def compile_cluster(message: Any, assignment: Any | None = None) -> Cluster:  # noqa: ANN401
    """Return what a Cluster says, with the ClusterLoadAssignment of an EDS cluster.

    An EDS cluster without an assignment has no endpoints.
    """
    kind = _type(message)
    source = assignment if kind is Discovery.EDS else message.load_assignment
    if source is None:
        source = type(message.load_assignment)()
    policy, balancing = _balancing(message)
    return Cluster(
        name=message.name,
        type=kind,
        lb_policy=Policy.CLUSTER_PROVIDED if kind is Discovery.ORIGINAL_DST else policy,
        endpoints=tuple(_endpoints(source, "" if kind is Discovery.EDS else "load_assignment.")),
        endpoints_kind="endpoints" if kind is Discovery.EDS else "clusters",
        endpoints_resource=source.cluster_name if kind is Discovery.EDS else message.name,
        connect_timeout_ns=(
            message.connect_timeout.ToNanoseconds()
            if message.HasField("connect_timeout")
            else _CONNECT_TIMEOUT_NS
        ),
        http2=_speaks_http2(message),
        panic_threshold=_panic_threshold(message),
        overprovisioning=_overprovisioning(source),
        weighted_priority_health=source.policy.weighted_priority_health,
        thresholds=_thresholds(message, 0),
        high_thresholds=_thresholds(message, 1),
        diagnostics=tuple(_not_simulated(message)),
        **balancing,
        **_original_dst(message),
    )


def _type(message: Any) -> Discovery:  # noqa: ANN401
    if message.WhichOneof("cluster_discovery_type") == "cluster_type":
        # The named extensions of the DNS clusters; others are told of as not simulated.
        name = message.cluster_type.name.rpartition(".")[2].upper()
        known = {"DNS": Discovery.STRICT_DNS, "EDS": Discovery.EDS}
        return known.get(name) or (
            Discovery(name) if name in Discovery.__members__ else Discovery.STATIC
        )
    return Discovery(
        message.DESCRIPTOR.enum_types_by_name["DiscoveryType"].values[message.type].name
    )


def _balancing(message: Any) -> tuple[Policy, dict[str, Any]]:  # noqa: ANN401
    """Return the policy and its settings, from the extension if there is one."""
    if message.HasField("load_balancing_policy"):
        for policy in message.load_balancing_policy.policies:
            config = unpack(policy.typed_extension_config.typed_config)
            name = name_of(config).rpartition(".")[2]
            if name == "LeastRequest":
                return Policy.LEAST_REQUEST, _least_request(config)
            if name in _EXTENSIONS:
                return _EXTENSIONS[name], {}
    names = message.DESCRIPTOR.enum_types_by_name["LbPolicy"].values_by_number
    name = names[message.lb_policy].name
    if name == "LEAST_REQUEST":
        return Policy.LEAST_REQUEST, _least_request(message.least_request_lb_config)
    # A hash policy without a hash picks any host; hashes are not simulated.
    return (Policy(name) if name in Policy.__members__ else Policy.RANDOM), {}


_EXTENSIONS = {
    "RoundRobin": Policy.ROUND_ROBIN,
    "Random": Policy.RANDOM,
    "ClusterProvided": Policy.CLUSTER_PROVIDED,
    "RingHash": Policy.RANDOM,
    "Maglev": Policy.RANDOM,
}


def _least_request(config: Any) -> dict[str, Any]:  # noqa: ANN401
    out: dict[str, Any] = {}
    if config.HasField("choice_count"):
        out["choice_count"] = config.choice_count.value
    if config.HasField("active_request_bias"):
        out["active_request_bias"] = config.active_request_bias.default_value
    out["full_scan"] = getattr(config, "selection_method", 0) == 1
    return out


def _endpoints(assignment: Any, prefix: str) -> Iterator[Endpoint]:  # noqa: ANN401
    seen: set[str] = set()
    for i, group in enumerate(assignment.endpoints):
        locality = group.locality
        where = "/".join((locality.region, locality.zone, locality.sub_zone)).rstrip("/")
        for j, entry in enumerate(group.lb_endpoints):
            address = entry.endpoint.address
            if not address.HasField("socket_address"):
                continue
            endpoint = Endpoint(
                address=address.socket_address.address,
                port=address.socket_address.port_value,
                weight=entry.load_balancing_weight.value
                if entry.HasField("load_balancing_weight")
                else 1,
                health=_HEALTH.get(entry.health_status, Health.HEALTHY),
                locality=where,
                priority=group.priority,
                hostname=entry.endpoint.hostname,
                metadata=envoy_api.format(entry.metadata) if entry.HasField("metadata") else {},
                field_path=f"{prefix}endpoints[{i}].lb_endpoints[{j}]",
            )
            # The first of several endpoints with one address counts.
            if endpoint.key not in seen:
                seen.add(endpoint.key)
                yield endpoint


# envoy.config.core.v3.HealthStatus: UNHEALTHY, DRAINING, TIMEOUT; DEGRADED.
_HEALTH = {
    2: Health.UNHEALTHY,
    3: Health.UNHEALTHY,
    4: Health.UNHEALTHY,
    5: Health.DEGRADED,
}


def _speaks_http2(message: Any) -> bool:  # noqa: ANN401
    for packed in message.typed_extension_protocol_options.values():
        options = unpack(packed)
        if name_of(options).endswith("HttpProtocolOptions"):
            return bool(options.explicit_http_config.HasField("http2_protocol_options"))
    return bool(message.HasField("http2_protocol_options"))


def _panic_threshold(message: Any) -> int:  # noqa: ANN401
    common = message.common_lb_config
    if not common.HasField("healthy_panic_threshold"):
        return _PANIC_THRESHOLD
    return int(min(100, round(common.healthy_panic_threshold.value)))


def _overprovisioning(assignment: Any) -> int:  # noqa: ANN401
    policy = assignment.policy
    if not policy.HasField("overprovisioning_factor"):
        return _OVERPROVISIONING
    return int(policy.overprovisioning_factor.value)


def _thresholds(message: Any, priority: int) -> Thresholds:  # noqa: ANN401
    for at, entry in enumerate(message.circuit_breakers.thresholds):
        if entry.priority != priority:
            continue
        limits = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
        out: dict[str, Any] = {
            name: getattr(entry, name).value for name in limits if entry.HasField(name)
        }
        if entry.HasField("retry_budget"):
            budget = entry.retry_budget
            out["budget_percent"] = (
                budget.budget_percent.value if budget.HasField("budget_percent") else 20.0
            )
            if budget.HasField("min_retry_concurrency"):
                out["min_retry_concurrency"] = budget.min_retry_concurrency.value
        return Thresholds(field_path=f"circuit_breakers.thresholds[{at}]", **out)
    return Thresholds()


def _original_dst(message: Any) -> dict[str, Any]:  # noqa: ANN401
    config = message.original_dst_lb_config
    if not message.HasField("original_dst_lb_config"):
        return {}
    header = config.http_header_name or "x-envoy-original-dst-host"
    return {
        "original_dst_header": header if config.use_http_header else None,
        "original_dst_port": config.upstream_port_override.value
        if config.HasField("upstream_port_override")
        else None,
    }


_LEFT_OUT = {
    "cluster_type": "this kind of cluster",
    "health_checks": "active health checking",
    "outlier_detection": "the ejection of hosts that fail",
    "lb_subset_config": "subsets chosen inside a cluster",
    "ring_hash_lb_config": "consistent hashing; any host may be chosen",
    "maglev_lb_config": "consistent hashing; any host may be chosen",
    "transport_socket": "TLS to the endpoints",
    "transport_socket_matches": "TLS to the endpoints",
    "transport_socket_matcher": "TLS to the endpoints",
    "max_requests_per_connection": "the reuse of connections",
    "preconnect_policy": "connections opened ahead of need",
    "upstream_config": "this way of connecting",
    "filters": "network filters of a cluster",
}
"""Fields of a Cluster that change what happens to requests."""


def _not_simulated(message: Any) -> Iterator[Diagnostic]:  # noqa: ANN401
    resource = f"clusters/{message.name}"
    for descriptor, value in message.ListFields():
        name = descriptor.name
        if name == "cluster_type" and _is_known_type(message):
            continue
        if name == "transport_socket" and value.name.endswith("raw_buffer"):
            continue
        if name in _LEFT_OUT:
            yield diagnose("not-simulated", resource=resource, field=name, what=_LEFT_OUT[name])
    common = message.common_lb_config
    for name in (
        "zone_aware_lb_config",
        "locality_weighted_lb_config",
        "consistent_hashing_lb_config",
    ):
        if common.HasField(name):
            field_name = f"common_lb_config.{name}"
            yield diagnose(
                "not-simulated",
                resource=resource,
                field=field_name,
                what="load by locality or hash",
            )
    for name in ("least_request_lb_config", "round_robin_lb_config"):
        if message.HasField(name) and getattr(message, name).HasField("slow_start_config"):
            field_name = f"{name}.slow_start_config"
            yield diagnose("not-simulated", resource=resource, field=field_name, what="slow start")
    lb_policies = message.DESCRIPTOR.enum_types_by_name["LbPolicy"].values_by_number
    if lb_policies[message.lb_policy].name in {"RING_HASH", "MAGLEV"}:
        yield diagnose(
            "not-simulated",
            resource=resource,
            field="lb_policy",
            what=_LEFT_OUT["maglev_lb_config"],
        )


def _is_known_type(message: Any) -> bool:  # noqa: ANN401
    name = message.cluster_type.name.rpartition(".")[2].upper()
    return name in {"DNS", "EDS"} or name in Discovery.__members__
