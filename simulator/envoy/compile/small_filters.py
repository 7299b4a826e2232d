"""Compile filters that need few words.

Follows   envoy/source/extensions/filters/http/*/config.cc
"""

from __future__ import annotations

import json
from typing import Any

from simulator.envoy.compile.fields import runtime_fraction, token_bucket
from simulator.envoy.compile.matchers import header_matcher
from simulator.envoy.compile.mutations import header_mutations, header_value_options
from simulator.envoy.compile.rate_limits import rate_limits
from simulator.envoy.compile.strings import string_matcher
from simulator.envoy.filters.ratelimit_config import VhRateLimits
from simulator.envoy.filters.small_config import (
    BufferConfig,
    CorsConfig,
    CorsPolicy,
    HeaderMutationConfig,
    HealthCheckConfig,
    LocalDescriptor,
    LocalRateLimitConfig,
    SetMetadata,
    SetMetadataConfig,
)
from simulator.envoy.rejected import Scope
from simulator.envoy_api import format as as_json


def buffer(message: Any, scope: Scope) -> BufferConfig:  # noqa: ANN401 - protobuf
    """Compile a Buffer."""
    if not message.max_request_bytes.value:
        raise scope.reject("BufferValidationError.MaxRequestBytes: value must be greater than 0")
    return BufferConfig(max_request_bytes=int(message.max_request_bytes.value))


def buffer_per_route(message: Any, scope: Scope) -> BufferConfig:  # noqa: ANN401 - protobuf
    """Compile a BufferPerRoute."""
    if message.WhichOneof("override") == "buffer":
        return buffer(message.buffer, scope.at("buffer"))
    return BufferConfig(max_request_bytes=None)


def cors(message: Any, scope: Scope) -> CorsConfig:  # noqa: ANN401 - protobuf
    """Compile a Cors, which says nothing."""
    scope.only(message, "")
    return CorsConfig()


def cors_policy(message: Any, scope: Scope) -> CorsPolicy:  # noqa: ANN401 - protobuf
    """Compile a CorsPolicy."""
    scope.only(
        message,
        """allow_origin_string_match allow_methods allow_headers expose_headers max_age
        allow_credentials filter_enabled allow_private_network_access
        forward_not_matching_preflights""",
    )
    return CorsPolicy(
        field=scope.ref,
        origins=tuple(
            string_matcher(one, scope.at("allow_origin_string_match", at))
            for at, one in enumerate(message.allow_origin_string_match)
        ),
        methods=message.allow_methods,
        headers=message.allow_headers,
        exposed=message.expose_headers,
        max_age=message.max_age,
        credentials=_told(message, "allow_credentials"),
        private_network=_told(message, "allow_private_network_access"),
        enabled=runtime_fraction(message, "filter_enabled", 100, scope),
        forward_not_matching=_told(message, "forward_not_matching_preflights"),
    )


def _told(message: Any, name: str) -> bool | None:  # noqa: ANN401 - protobuf
    return bool(getattr(message, name).value) if message.HasField(name) else None


def header_mutation(message: Any, scope: Scope) -> HeaderMutationConfig:  # noqa: ANN401
    """Compile a HeaderMutation or a HeaderMutationPerRoute."""
    inner = scope.at("mutations")
    inner.only(message.mutations, "request_mutations response_mutations")
    return HeaderMutationConfig(
        request=header_mutations(message.mutations, "request_mutations", inner),
        response=header_mutations(message.mutations, "response_mutations", inner),
        most_specific_wins=bool(getattr(message, "most_specific_header_mutations_wins", False)),
    )


def health_check(message: Any, scope: Scope) -> HealthCheckConfig:  # noqa: ANN401 - protobuf
    """Compile a HealthCheck."""
    scope.only(message, "pass_through_mode headers")
    if not message.HasField("pass_through_mode"):
        raise scope.reject("HealthCheckValidationError.PassThroughMode: value is required")
    return HealthCheckConfig(
        pass_through=bool(message.pass_through_mode.value),
        headers=tuple(
            header_matcher(one, scope.at("headers", at)) for at, one in enumerate(message.headers)
        ),
    )


def local_ratelimit(message: Any, scope: Scope) -> LocalRateLimitConfig:  # noqa: ANN401
    """Compile a LocalRateLimit."""
    scope.only(
        message,
        """stat_prefix status token_bucket filter_enabled filter_enforced
        request_headers_to_add_when_not_enforced response_headers_to_add
        enable_x_ratelimit_headers rate_limited_as_resource_exhausted
        always_consume_default_token_bucket descriptors rate_limits stage vh_rate_limits""",
    )
    bucket = None
    if message.HasField("token_bucket"):
        bucket = token_bucket(message.token_bucket, scope.at("token_bucket"))
        if bucket.fill_interval_ns < 50_000_000:
            raise scope.reject("local rate limit token bucket fill timer must be >= 50ms")
    status = int(message.status.code)
    not_enforced = "request_headers_to_add_when_not_enforced"
    return LocalRateLimitConfig(
        field=scope.ref,
        bucket=bucket,
        descriptors=tuple(
            _descriptor(one, scope.at("descriptors", at))
            for at, one in enumerate(message.descriptors)
        ),
        rate_limits=rate_limits(message, scope),
        stage=int(message.stage),
        vh_rate_limits=list(VhRateLimits)[message.vh_rate_limits],
        always_consume=(
            not message.HasField("always_consume_default_token_bucket")
            or bool(message.always_consume_default_token_bucket.value)
        ),
        status=status if status >= 400 else 429,
        enabled=runtime_fraction(message, "filter_enabled", 0, scope),
        enforced=runtime_fraction(message, "filter_enforced", 0, scope),
        request_headers=header_value_options(message, not_enforced, scope),
        response_headers=header_value_options(message, "response_headers_to_add", scope),
        x_ratelimit_headers=message.enable_x_ratelimit_headers == 1,
        retry_after=bool(message.enable_retry_after_header),
        resource_exhausted=bool(message.rate_limited_as_resource_exhausted),
    )


def _descriptor(message: Any, scope: Scope) -> LocalDescriptor:  # noqa: ANN401 - protobuf
    scope.only(message, "entries token_bucket")
    return LocalDescriptor(
        field=scope.ref,
        entries=tuple((one.key, one.value) for one in message.entries),
        bucket=token_bucket(message.token_bucket, scope.at("token_bucket")),
    )


def set_metadata(message: Any, scope: Scope) -> SetMetadataConfig:  # noqa: ANN401 - protobuf
    """Compile a set_metadata Config."""
    entries = []
    if message.metadata_namespace:
        # The old form always overwrites.
        entries.append(_entry(message, overwrite=True))
    for at, one in enumerate(message.metadata):
        scope.at("metadata", at).only(one, "metadata_namespace allow_overwrite value")
        entries.append(_entry(one, overwrite=bool(one.allow_overwrite)))
    return SetMetadataConfig(tuple(entries))


def _entry(message: Any, *, overwrite: bool) -> SetMetadata:  # noqa: ANN401 - protobuf
    value = json.loads(json.dumps(as_json(message.value)))
    return SetMetadata(namespace=message.metadata_namespace, value=value, overwrite=overwrite)
