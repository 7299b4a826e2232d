"""Compile rate limits: the descriptors of routes, and the filter that asks a service.

Models    envoy.config.route.v3.RateLimit,
          envoy.extensions.filters.http.ratelimit.v3.{RateLimit, RateLimitPerRoute}
Follows   envoy/source/common/router/router_ratelimit.cc,
          source/extensions/filters/http/ratelimit/config.cc
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator.envoy.compile.fields import optional_ns, runtime_fraction
from simulator.envoy.compile.matchers import header_matcher, query_matcher
from simulator.envoy.compile.mutations import header_value_options
from simulator.envoy.filters.ratelimit_config import (
    RateLimitConfig,
    RateLimitPerRoute,
    VhRateLimits,
)
from simulator.envoy.match import Condition
from simulator.envoy.rate_limit import (
    Action,
    Cluster,
    Header,
    Matching,
    Metadata,
    Query,
    RateLimit,
    RemoteAddress,
    Text,
)
from simulator.envoy.rejected import Scope

_TIMEOUT_NS = 20_000_000
_MODELLED = """domain stage request_type timeout failure_mode_deny
    rate_limited_as_resource_exhausted rate_limit_service disable_x_envoy_ratelimited_header
    rate_limited_status response_headers_to_add status_on_error stat_prefix filter_enabled
    filter_enforced failure_mode_deny_percent rate_limits"""
_WHOLE_V4, _WHOLE_V6 = 32, 128


def rate_limits(message: Any, scope: Scope) -> tuple[RateLimit, ...]:  # noqa: ANN401 - protobuf
    """Compile the `rate_limits` of a route, a virtual host or a filter."""
    found = []
    for at, one in enumerate(message.rate_limits):
        inner = scope.at("rate_limits", at)
        inner.only(one, "stage actions apply_on_stream_done")
        if one.apply_on_stream_done:
            inner.skip("apply_on_stream_done", "the service is not asked when a stream ends")
            continue
        actions = (
            _action(each, inner.at("actions", place)) for place, each in enumerate(one.actions)
        )
        found.append(
            RateLimit(
                stage=int(one.stage.value),
                actions=tuple(action for action in actions if action is not None),
            )
        )
    return tuple(found)


def _action(message: Any, scope: Scope) -> Action | None:  # noqa: ANN401 - protobuf
    which = message.WhichOneof("action_specifier")
    if which is None:
        raise scope.reject("ActionValidationError.ActionSpecifier: value is required")
    inner, found = scope.at(which), getattr(message, which)
    match which:
        case "destination_cluster":
            return Cluster()
        case "request_headers":
            name = found.header_name.lower()
            return Header(name, found.descriptor_key, bool(found.skip_if_absent))
        case "query_parameters":
            name = found.query_parameter_name
            return Query(name, found.descriptor_key, bool(found.skip_if_absent))
        case "remote_address":
            return RemoteAddress(which, _WHOLE_V4, _WHOLE_V6)
        case "masked_remote_address":
            return RemoteAddress(
                which,
                _length(found, "v4_prefix_mask_len", _WHOLE_V4),
                _length(found, "v6_prefix_mask_len", _WHOLE_V6),
            )
        case "generic_key":
            return Text(found.descriptor_key or which, found.descriptor_value)
        case "header_value_match":
            headers = _each(found, "headers", inner, header_matcher)
            return _matching(found, headers, "header_match")
        case "query_parameter_value_match":
            asked = _each(found, "query_parameters", inner, query_matcher)
            return _matching(found, asked, "query_match")
        case "metadata":
            return _metadata(found, inner)
        case "dynamic_metadata":
            raise scope.reject(
                "Using deprecated option 'envoy.config.route.v3.RateLimit.Action.dynamic_metadata'"
            )
    scope.skip(which, "it adds nothing to its descriptor")
    return None


def _length(message: Any, name: str, whole: int) -> int:  # noqa: ANN401 - protobuf
    return int(getattr(message, name).value) if message.HasField(name) else whole


def _each(
    message: Any,  # noqa: ANN401 - protobuf
    name: str,
    scope: Scope,
    one: Callable[[Any, Scope], Condition],
) -> tuple[Condition, ...]:
    return tuple(one(each, scope.at(name, at)) for at, each in enumerate(getattr(message, name)))


def _matching(
    message: Any,  # noqa: ANN401 - protobuf
    found: tuple[Condition, ...],
    key: str,
) -> Matching:
    expected = message.expect_match.value if message.HasField("expect_match") else True
    return Matching(found, bool(expected), message.descriptor_key or key, message.descriptor_value)


def _metadata(message: Any, scope: Scope) -> Metadata:  # noqa: ANN401 - protobuf
    if message.source:
        scope.skip("source", "the metadata of routes is taken to be empty")
    key = message.metadata_key
    return Metadata(
        filter="" if message.source else key.key,
        path=tuple(step.key for step in key.path),
        key=message.descriptor_key,
        default=message.default_value,
        skip_if_absent=bool(message.skip_if_absent),
    )


def ratelimit(message: Any, scope: Scope) -> RateLimitConfig:  # noqa: ANN401 - protobuf
    """Compile a RateLimit, the filter."""
    scope.only(message, _MODELLED)
    if not message.domain:
        raise scope.reject(
            "RateLimitValidationError.Domain: value length must be at least 1 characters"
        )
    service = message.rate_limit_service.grpc_service
    if service.WhichOneof("target_specifier") != "envoy_grpc":
        scope.skip("rate_limit_service", "only a service behind one of the clusters is asked")
    timeout = optional_ns(message, "timeout")
    status, failed = int(message.rate_limited_status.code), int(message.status_on_error.code)
    deny = 100 if message.failure_mode_deny else 0
    return RateLimitConfig(
        field=scope.ref,
        domain=message.domain,
        stage=int(message.stage),
        request_type=message.request_type or "both",
        cluster=service.envoy_grpc.cluster_name,
        timeout_ns=_TIMEOUT_NS if timeout is None else timeout,
        deny=runtime_fraction(message, "failure_mode_deny_percent", deny, scope),
        status=status if status >= 400 else 429,
        status_on_error=failed or 500,
        enabled=runtime_fraction(message, "filter_enabled", 100, scope),
        enforced=runtime_fraction(message, "filter_enforced", 100, scope),
        tells=not message.disable_x_envoy_ratelimited_header,
        resource_exhausted=bool(message.rate_limited_as_resource_exhausted),
        response_headers=header_value_options(message, "response_headers_to_add", scope),
        rate_limits=rate_limits(message, scope),
    )


def ratelimit_per_route(message: Any, scope: Scope) -> RateLimitPerRoute:  # noqa: ANN401
    """Compile a RateLimitPerRoute."""
    scope.only(message, "vh_rate_limits rate_limits domain")
    return RateLimitPerRoute(
        domain=message.domain,
        vh_rate_limits=list(VhRateLimits)[message.vh_rate_limits],
        rate_limits=rate_limits(message, scope),
    )
