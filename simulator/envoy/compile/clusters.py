"""Compile clusters.

Models    envoy.config.cluster.v3.Cluster
Follows   envoy/source/common/upstream/{upstream_impl,cluster_factory_impl}.cc
"""

from __future__ import annotations

import dataclasses
from typing import Any

from simulator import envoy_api
from simulator.envoy.cluster import (
    CONNECT_TIMEOUT_NS,
    OVERPROVISIONING,
    OVERRIDE_STATUSES,
    PANIC_THRESHOLD,
    UPDATE_MERGE_WINDOW_NS,
    Cluster,
    Discovery,
    Lookup,
    LookupFamily,
    OutlierDetection,
    Policy,
    Thresholds,
)
from simulator.envoy.compile.balancing import balancing
from simulator.envoy.compile.cluster_rules import refuse
from simulator.envoy.compile.endpoints import endpoints, locality_weights
from simulator.envoy.compile.fields import nanoseconds, optional_ns, percentage
from simulator.envoy.compile.health import health_check
from simulator.envoy.compile.transport import transports
from simulator.envoy.rejected import Scope
from simulator.envoy_api import name_of, unpack

_AGGREGATE = "/envoy.extensions.clusters.aggregate.v3.ClusterConfig"
_DNS = "/envoy.extensions.clusters.dns.v3.DnsCluster"


def cluster(message: Any, assignment: Any | None, scope: Scope) -> Cluster:  # noqa: ANN401
    """Compile a Cluster, with the ClusterLoadAssignment of an EDS cluster.

    An EDS cluster without an assignment has no endpoints.
    """
    kind = _type(message)
    source = assignment if kind is Discovery.EDS else message.load_assignment
    if source is None:
        source = type(message.load_assignment)()
    where = "" if kind is Discovery.EDS else "load_assignment"
    balanced = balancing(message, scope)
    refuse(message, source, kind, balanced["lb_policy"], scope)
    if kind is Discovery.ORIGINAL_DST:
        balanced["lb_policy"] = Policy.CLUSTER_PROVIDED
    protocol = _protocol(message, scope)
    _note_unmodelled(message, scope)
    return Cluster(
        name=message.name,
        alt_stat_name=message.alt_stat_name,
        source_address=message.upstream_bind_config.source_address.address,
        type=kind,
        endpoints=tuple(endpoints(source, scope.at(where) if where else scope)),
        lookup=_lookup(message),
        members=_members(message),
        endpoints_kind="endpoints" if kind is Discovery.EDS else "clusters",
        endpoints_resource=source.cluster_name if kind is Discovery.EDS else message.name,
        locality_weights=locality_weights(source),
        connect_timeout_ns=(
            nanoseconds(message.connect_timeout)
            if message.HasField("connect_timeout")
            else CONNECT_TIMEOUT_NS
        ),
        **protocol,
        override_statuses=_override_statuses(message),
        panic_threshold=_panic_threshold(message, scope),
        overprovisioning=_overprovisioning(source),
        weighted_priority_health=source.policy.weighted_priority_health,
        update_merge_window_ns=(
            nanoseconds(message.common_lb_config.update_merge_window)
            if message.common_lb_config.HasField("update_merge_window")
            else UPDATE_MERGE_WINDOW_NS
        ),
        thresholds=_thresholds(message, 0),
        high_thresholds=_thresholds(message, 1),
        outlier_detection=_outlier_detection(message, scope),
        health_check=health_check(message, scope, http2=protocol["http2"]),
        keep_until_unhealthy=not message.ignore_health_on_host_removal,
        pending_until_checked=message.common_lb_config.ignore_new_hosts_until_first_hc,
        transports=transports(message, scope, named_by_host=_named_by_host(message)),
        metadata=envoy_api.format(message.metadata).get("filter_metadata", {}),
        diagnostics=tuple(scope.found),
        **balanced,
        **_original_dst(message),
    )


def _type(message: Any) -> Discovery:  # noqa: ANN401 - protobuf
    if message.WhichOneof("cluster_discovery_type") == "cluster_type":
        # The named extensions of the DNS clusters; others are told of as not simulated.
        name = message.cluster_type.name.rpartition(".")[2].upper()
        known = {"DNS": Discovery.STRICT_DNS, "EDS": Discovery.EDS}
        if _aggregate(message) is not None:
            return Discovery.AGGREGATE
        config = _dns(message)
        if config is not None and config.all_addresses_in_single_endpoint:
            return Discovery.LOGICAL_DNS
        return known.get(name) or (
            Discovery(name) if name in Discovery.__members__ else Discovery.STATIC
        )
    return Discovery(
        message.DESCRIPTOR.enum_types_by_name["DiscoveryType"].values[message.type].name
    )


def _dns(message: Any) -> Any | None:  # noqa: ANN401 - protobuf
    """Return the configuration of the DNS extension; `None` for any other kind."""
    packed = message.cluster_type.typed_config
    return unpack(packed) if packed.type_url.endswith(_DNS) else None


def _lookup(message: Any) -> Lookup:  # noqa: ANN401 - protobuf
    """Compile how names are asked for, of the extension or of the cluster's own fields."""
    own = _dns(message)
    config = message if own is None else own
    family = config.DESCRIPTOR.fields_by_name["dns_lookup_family"].enum_type
    name = family.values_by_number[config.dns_lookup_family].name
    refresh_ns = optional_ns(config, "dns_refresh_rate")
    return Lookup(
        family=LookupFamily.AUTO if name == "UNSPECIFIED" else LookupFamily(name),
        refresh_ns=Lookup().refresh_ns if refresh_ns is None else refresh_ns,
        respect_ttl=bool(config.respect_dns_ttl),
        jitter_ns=optional_ns(config, "dns_jitter") or 0,
    )


def _aggregate(message: Any) -> Any | None:  # noqa: ANN401 - protobuf
    """Return what an aggregate cluster is made of; `None` for any other kind."""
    packed = message.cluster_type.typed_config
    if not packed.type_url.endswith(_AGGREGATE):
        return None
    return unpack(packed)


def _members(message: Any) -> tuple[str, ...]:  # noqa: ANN401 - protobuf
    config = _aggregate(message)
    if config is None:
        return ()
    return tuple(config.clusters)


def _protocol(message: Any, scope: Scope) -> dict[str, Any]:  # noqa: ANN401 - protobuf
    """Return what is spoken to the endpoints, and how connections are used."""
    http2 = message.http2_protocol_options if message.HasField("http2_protocol_options") else None
    common = message.common_http_protocol_options
    as_client = False
    for packed in message.typed_extension_protocol_options.values():
        options = unpack(packed)
        if not name_of(options).endswith("HttpProtocolOptions"):
            continue
        common = options.common_http_protocol_options
        if options.WhichOneof("upstream_protocol_options") == "explicit_http_config":
            explicit = options.explicit_http_config
            http2 = (
                explicit.http2_protocol_options
                if explicit.HasField("http2_protocol_options")
                else None
            )
        else:
            http2 = None
            kind = options.WhichOneof("upstream_protocol_options")
            as_client = kind == "use_downstream_protocol_config"
    out: dict[str, Any] = {"http2": http2 is not None, "as_client": as_client}
    if http2 is not None and http2.HasField("max_concurrent_streams"):
        out["max_concurrent_streams"] = int(http2.max_concurrent_streams.value)
    out["max_stream_duration_ns"] = optional_ns(common, "max_stream_duration") or 0
    for holder in (common, message):
        if holder.HasField("max_requests_per_connection"):
            out["max_requests_per_connection"] = int(holder.max_requests_per_connection.value)
            break
    if common.HasField("max_connection_duration"):
        scope.skip("max_connection_duration", "connections last")
    return out


def _named_by_host(message: Any) -> bool:  # noqa: ANN401 - protobuf
    for packed in message.typed_extension_protocol_options.values():
        options = unpack(packed)
        if name_of(options).endswith("HttpProtocolOptions"):
            return bool(options.upstream_http_protocol_options.auto_san_validation)
    return bool(message.upstream_http_protocol_options.auto_san_validation)


def _panic_threshold(message: Any, scope: Scope) -> int:  # noqa: ANN401
    common = message.common_lb_config
    if not common.HasField("healthy_panic_threshold"):
        return PANIC_THRESHOLD
    where = scope.at("common_lb_config").at("healthy_panic_threshold")
    return min(100, round(percentage(common.healthy_panic_threshold, where)))


def _overprovisioning(assignment: Any) -> int:  # noqa: ANN401
    policy = assignment.policy
    if not policy.HasField("overprovisioning_factor"):
        return OVERPROVISIONING
    return int(policy.overprovisioning_factor.value)


def _outlier_detection(message: Any, scope: Scope) -> OutlierDetection | None:  # noqa: ANN401
    if not message.HasField("outlier_detection"):
        return None
    given, inner = message.outlier_detection, scope.at("outlier_detection")
    out: dict[str, Any] = {}
    for field in dataclasses.fields(OutlierDetection):
        name = field.name.removesuffix("_ns")
        if given.DESCRIPTOR.fields_by_name[name].message_type is None:
            out[field.name] = bool(getattr(given, name))
        elif given.HasField(name):
            value = getattr(given, name)
            out[field.name] = nanoseconds(value) if field.name != name else value.value
    names = [field.name.removesuffix("_ns") for field in dataclasses.fields(OutlierDetection)]
    inner.only(given, " ".join(names))
    base = out.get("base_ejection_time_ns", OutlierDetection().base_ejection_time_ns)
    longest = max(OutlierDetection().max_ejection_time_ns, base)
    if out.setdefault("max_ejection_time_ns", longest) < base:
        raise inner.reject(
            "outlier detector's max_ejection_time cannot be smaller than base_ejection_time"
        )
    return OutlierDetection(**out)


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


def _override_statuses(message: Any) -> tuple[str, ...]:  # noqa: ANN401 - protobuf
    common = message.common_lb_config
    if not common.HasField("override_host_status"):
        return OVERRIDE_STATUSES
    statuses = common.override_host_status
    words = statuses.DESCRIPTOR.fields_by_name["statuses"].enum_type.values_by_number
    return tuple(words[each].name for each in statuses.statuses)


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
    "transport_socket_matcher": "TLS to the endpoints",
    "preconnect_policy": "connections opened ahead of need",
    "upstream_config": "this way of connecting",
    "filters": "network filters of a cluster",
    "close_connections_on_host_health_failure": "connections to hosts that fail are kept",
    "connection_pool_per_downstream_connection": "clients share connections",
    "queuing_policies": "requests wait in the order in which they came",
}
"""Fields of a Cluster that change what happens to requests."""
_COMMON_LB = """healthy_panic_threshold zone_aware_lb_config locality_weighted_lb_config
    update_merge_window override_host_status ignore_new_hosts_until_first_hc
    consistent_hashing_lb_config"""
_ORIGINAL_DST = "use_http_header http_header_name upstream_port_override"


def _note_unmodelled(message: Any, scope: Scope) -> None:  # noqa: ANN401 - protobuf
    for descriptor, _ in message.ListFields():
        name = descriptor.name
        if name == "cluster_type" and _is_known_type(message):
            continue
        if name in _LEFT_OUT:
            scope.skip(name, _LEFT_OUT[name])

    scope.at("common_lb_config").only(message.common_lb_config, _COMMON_LB)
    scope.at("original_dst_lb_config").only(message.original_dst_lb_config, _ORIGINAL_DST)
    breakers = scope.at("circuit_breakers")
    breakers.only(message.circuit_breakers, "thresholds")
    for at, entry in enumerate(message.circuit_breakers.thresholds):
        breakers.at("thresholds", at).only(entry, _THRESHOLDS)


_THRESHOLDS = """priority max_connections max_pending_requests max_requests max_retries retry_budget
    track_remaining"""


def _is_known_type(message: Any) -> bool:  # noqa: ANN401 - protobuf
    name = message.cluster_type.name.rpartition(".")[2].upper()
    return (
        _aggregate(message) is not None or name in {"DNS", "EDS"} or name in Discovery.__members__
    )
