"""Compile the health checks of a cluster.

Models    envoy.config.core.v3.HealthCheck
Follows   envoy/source/common/upstream/health_checker_impl.cc,
          source/extensions/health_checkers/http/health_checker_impl.cc
"""

from __future__ import annotations

from typing import Any

from simulator.envoy.compile.fields import nanoseconds
from simulator.envoy.compile.mutations import header_value_options, mutations
from simulator.envoy.health_check import NO_TRAFFIC_NS, HealthCheck, Kind, Range
from simulator.envoy.rejected import Scope

_TIMES = """timeout interval initial_jitter interval_jitter interval_jitter_percent
    unhealthy_threshold healthy_threshold no_traffic_interval no_traffic_healthy_interval
    unhealthy_interval unhealthy_edge_interval healthy_edge_interval"""
_MODELLED = f"{_TIMES} name http_health_check tcp_health_check grpc_health_check reuse_connection"
_HTTP = """host path method request_headers_to_add request_headers_to_remove expected_statuses
    retriable_statuses codec_client_type response_buffer_size"""


def health_check(message: Any, scope: Scope, *, http2: bool) -> HealthCheck | None:  # noqa: ANN401
    """Compile the check of a Cluster that counts: the first that is modelled."""
    given = message.health_checks
    if len(given) > 1:
        _named(given, scope)
    found: HealthCheck | None = None
    for at, one in enumerate(given):
        inner = scope.at("health_checks", at)
        if one.WhichOneof("health_checker") == "custom_health_check":
            inner.skip("custom_health_check", "the endpoints count as healthy")
        elif found is not None:
            inner.skip("", "the cluster's first health check decides alone")
        else:
            found = _compiled(one, inner, http2=http2)
    return found


def _named(given: Any, scope: Scope) -> None:  # noqa: ANN401 - protobuf
    seen: set[str] = set()
    for at, one in enumerate(given):
        if not one.name:
            raise scope.reject(
                f"health check at index {at} is missing a name; all health checks must have a "
                "name when multiple health checks are configured"
            )
        if one.name in seen:
            raise scope.reject(f"duplicate health check name '{one.name}'")
        seen.add(one.name)


def _compiled(one: Any, scope: Scope, *, http2: bool) -> HealthCheck:  # noqa: ANN401 - protobuf
    scope.only(one, _MODELLED)
    interval_ns = nanoseconds(one.interval)
    out: dict[str, Any] = {
        "timeout_ns": nanoseconds(one.timeout),
        "interval_ns": interval_ns,
        "unhealthy_threshold": one.unhealthy_threshold.value,
        "healthy_threshold": one.healthy_threshold.value,
        "initial_jitter_ns": nanoseconds(one.initial_jitter),
        "interval_jitter_ns": nanoseconds(one.interval_jitter),
        "interval_jitter_percent": int(one.interval_jitter_percent),
    }

    def time(name: str, default_ns: int) -> int:
        value = nanoseconds(getattr(one, name)) if one.HasField(name) else default_ns
        out[f"{name}_ns"] = value
        return value

    time("no_traffic_healthy_interval", time("no_traffic_interval", NO_TRAFFIC_NS))
    time("unhealthy_edge_interval", time("unhealthy_interval", interval_ns))
    time("healthy_edge_interval", interval_ns)
    match one.WhichOneof("health_checker"):
        case "http_health_check":
            inner = scope.at("http_health_check")
            return HealthCheck(**out, **_http(one.http_health_check, inner))
        case "grpc_health_check":
            if not http2:
                name = scope.resource
                raise scope.reject(f"{name} cluster must support HTTP/2 for gRPC healthchecking")
            return HealthCheck(**out, **_grpc(one.grpc_health_check, scope))
    inner = scope.at("tcp_health_check")
    _payloads(one.tcp_health_check, inner)
    inner.only(one.tcp_health_check, "")
    return HealthCheck(**out, kind=Kind.TCP)


def _http(given: Any, scope: Scope) -> dict[str, Any]:  # noqa: ANN401 - protobuf
    scope.only(given, _HTTP)
    methods = given.DESCRIPTOR.fields_by_name["method"].enum_type.values_by_number
    found: dict[str, Any] = {
        "kind": Kind.HTTP,
        "host": given.host,
        "path": given.path,
        "method": methods[given.method].name if given.method else "GET",
        "headers": mutations(given, "request", scope),
        "retriable": _ranges(given, "retriable", scope),
    }
    _payloads(given, scope)
    expected = _ranges(given, "expected", scope)
    return found | ({"expected": expected} if expected else {})


def _grpc(given: Any, scope: Scope) -> dict[str, Any]:  # noqa: ANN401 - protobuf
    inner = scope.at("grpc_health_check")
    return {
        "kind": Kind.GRPC,
        "host": given.authority,
        "path": "/grpc.health.v1.Health/Check",
        "method": "POST",
        "headers": header_value_options(given, "initial_metadata", inner),
    }


def _ranges(given: Any, what: str, scope: Scope) -> tuple[Range, ...]:  # noqa: ANN401 - protobuf
    found = []
    name = f"{what}_statuses"
    for at, each in enumerate(getattr(given, name)):
        start, end = int(each.start), int(each.end)
        wrong = None
        if start >= end:
            wrong = f"expecting start < end, but found start={start} and end={end}"
        elif start < 100:
            wrong = f"expecting start >= 100, but found start={start}"
        elif end > 600:
            wrong = f"expecting end <= 600, but found end={end}"
        if wrong is not None:
            raise scope.at(name, at).reject(f"Invalid http {what} status range: {wrong}")
        found.append((start, end))
    return tuple(found)


def _payloads(given: Any, scope: Scope) -> None:  # noqa: ANN401 - protobuf
    for payload in (*([given.send] if given.HasField("send") else []), *given.receive):
        try:
            bytes.fromhex(payload.text)
        except ValueError as error:
            raise scope.reject(f"invalid hex string '{payload.text}'") from error
