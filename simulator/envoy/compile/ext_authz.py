"""Compile the filter that asks an authorization service.

Models    envoy.extensions.filters.http.ext_authz.v3.{ExtAuthz, ExtAuthzPerRoute}
Follows   envoy/source/extensions/filters/http/ext_authz/config.cc
"""

from __future__ import annotations

from typing import Any

from simulator.envoy.compile.fields import optional_ns, runtime_fraction
from simulator.envoy.compile.matchers import metadata_matcher
from simulator.envoy.compile.strings import string_matcher
from simulator.envoy.filters.ext_authz_config import (
    Body,
    ExtAuthzConfig,
    ExtAuthzPerRoute,
    Names,
    Service,
)
from simulator.envoy.rejected import Scope

_GRPC_TIMEOUT_NS = 200_000_000
_MODELLED = """
    grpc_service http_service transport_api_version failure_mode_allow clear_route_cache
    failure_mode_allow_header_add status_on_error filter_enabled filter_enabled_metadata
    allowed_headers disallowed_headers with_request_body stat_prefix charge_cluster_response_stats
"""


def ext_authz(message: Any, scope: Scope) -> ExtAuthzConfig:  # noqa: ANN401 - protobuf
    """Compile an ExtAuthz."""
    scope.only(message, _MODELLED)
    which = message.WhichOneof("services")
    service = None
    if which == "http_service":
        service = _http(message.http_service, scope.at(which))
    elif which == "grpc_service":
        service = _grpc(message.grpc_service, scope.at(which))
    metadata = None
    if message.HasField("filter_enabled_metadata"):
        at = scope.at("filter_enabled_metadata")
        metadata = metadata_matcher(message.filter_enabled_metadata, at)
    return ExtAuthzConfig(
        field=scope.ref,
        service=service,
        failure_mode_allow=bool(message.failure_mode_allow),
        failure_mode_allow_header_add=bool(message.failure_mode_allow_header_add),
        clear_route_cache=bool(message.clear_route_cache),
        status_on_error=int(message.status_on_error.code) or 403,
        enabled=runtime_fraction(message, "filter_enabled", 100, scope),
        enabled_metadata=metadata,
        allowed_headers=_names(message, "allowed_headers", scope),
        disallowed_headers=_names(message, "disallowed_headers", scope),
        body=_body(message, scope),
    )


def ext_authz_per_route(message: Any, scope: Scope) -> ExtAuthzPerRoute:  # noqa: ANN401
    """Compile an ExtAuthzPerRoute."""
    if message.WhichOneof("override") != "check_settings":
        return ExtAuthzPerRoute(disabled=bool(message.disabled))
    settings, inner = message.check_settings, scope.at("check_settings")
    inner.only(settings, "context_extensions with_request_body disable_request_body_buffering")
    return ExtAuthzPerRoute(
        disabled=False,
        without_body=bool(settings.disable_request_body_buffering),
        body=_body(settings, inner),
    )


def _body(message: Any, scope: Scope) -> Body | None:  # noqa: ANN401 - protobuf
    if not message.HasField("with_request_body"):
        return None
    found, inner = message.with_request_body, scope.at("with_request_body")
    if not found.max_request_bytes:
        raise inner.reject(
            "BufferSettingsValidationError.MaxRequestBytes: value must be greater than 0"
        )
    inner.only(found, "max_request_bytes allow_partial_message pack_as_bytes")
    return Body(max_bytes=int(found.max_request_bytes), partial=bool(found.allow_partial_message))


def _http(message: Any, scope: Scope) -> Service:  # noqa: ANN401 - protobuf
    scope.only(
        message, "server_uri path_prefix path_override authorization_request authorization_response"
    )
    asked, answered = message.authorization_request, message.authorization_response
    request, response = scope.at("authorization_request"), scope.at("authorization_response")
    response.only(
        answered,
        """allowed_upstream_headers allowed_upstream_headers_to_append allowed_client_headers
        allowed_client_headers_on_success""",
    )
    return Service(
        cluster=message.server_uri.cluster,
        timeout_ns=optional_ns(message.server_uri, "timeout") or 0,
        path_prefix=message.path_prefix,
        path_override=message.path_override,
        allowed_headers=_names(asked, "allowed_headers", request),
        headers_to_add=tuple((one.key.lower(), one.value) for one in asked.headers_to_add),
        upstream_headers=_names(answered, "allowed_upstream_headers", response),
        upstream_headers_to_append=_names(answered, "allowed_upstream_headers_to_append", response),
        client_headers=_names(answered, "allowed_client_headers", response),
        client_headers_on_success=_names(answered, "allowed_client_headers_on_success", response),
    )


def _grpc(message: Any, scope: Scope) -> Service:  # noqa: ANN401 - protobuf
    if message.WhichOneof("target_specifier") != "envoy_grpc":
        scope.skip("", "only a service behind one of the proxy's clusters is asked")
    timeout = optional_ns(message, "timeout")
    return Service(
        cluster=message.envoy_grpc.cluster_name,
        timeout_ns=_GRPC_TIMEOUT_NS if timeout is None else timeout,
        grpc=True,
        headers_to_add=tuple((one.key.lower(), one.value) for one in message.initial_metadata),
    )


def _names(message: Any, name: str, scope: Scope) -> Names | None:  # noqa: ANN401 - protobuf
    if not message.HasField(name):
        return None
    inner = scope.at(name)
    return Names(
        tuple(
            string_matcher(one, inner.at("patterns", at))
            for at, one in enumerate(getattr(message, name).patterns)
        )
    )
