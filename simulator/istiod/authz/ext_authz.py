"""Write the filters that ask an authorizer, for CUSTOM policies.

Models    envoy.extensions.filters.{http,network}.ext_authz.v3.ExtAuthz
Follows   istio pilot/pkg/security/authz/builder/extauthz.go
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simulator.config.istio.extension_provider import (
    ExtAuthzGrpc,
    ExtAuthzHttp,
    RequestBody,
)
from simulator.envoy_api import message, pack
from simulator.istiod import names
from simulator.istiod.authz import matchers
from simulator.istiod.authz.matchers import Message
from simulator.istiod.part import duration
from simulator.istiod.scope import Scope

PREFIX = "istio-ext-authz"
"""Of the names of policies whose requests are held until the authorizer has answered."""
SHADOW_PREFIX = "istio_ext_authz_"
HTTP_RBAC = "envoy.filters.http.rbac"
TCP_RBAC = "envoy.filters.network.rbac"
_HTTP = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz"
_TCP = "envoy.extensions.filters.network.ext_authz.v3.ExtAuthz"
_TIMEOUT_NS = 600_000_000_000
_LARGEST_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorizer:
    """The filters that ask a provider; `tcp` is None for one that speaks HTTP alone."""

    http: Message
    tcp: Message | None = None


def authorizer(scope: Scope, name: str) -> Authorizer | None:
    """Return the filters for a provider of the mesh; None for one that cannot be used."""
    found = [each for each in scope.mesh.config.extension_providers if each.name == name]
    if len(found) != 1:
        return None
    http, grpc = found[0].envoy_ext_authz_http, found[0].envoy_ext_authz_grpc
    if http is not None:
        return _over_http(scope, http, name)
    return _over_grpc(scope, grpc, name) if grpc is not None else None


def _over_http(scope: Scope, provider: ExtAuthzHttp, name: str) -> Authorizer | None:
    host = _host(scope, provider.service)
    wildcards = (
        *provider.include_request_headers_in_check,
        *provider.include_headers_in_check,
        *provider.headers_to_upstream_on_allow,
        *provider.headers_to_downstream_on_allow,
        *provider.headers_to_downstream_on_deny,
    )
    path_broken = provider.path_prefix and not provider.path_prefix.startswith("/")
    if host is None or path_broken or "*" in wildcards or not _usable(provider):
        return None
    service: Message = {
        "path_prefix": provider.path_prefix,
        "server_uri": {
            "uri": f"http://{host}",
            "cluster": names.outbound(host, provider.port, ""),
            "timeout": _timeout(provider.timeout_ns),
        },
    }
    request = _request(provider)
    if request:
        service["authorization_request"] = request
    response = {
        "allowed_upstream_headers": _headers(provider.headers_to_upstream_on_allow),
        "allowed_client_headers": _headers(provider.headers_to_downstream_on_deny),
        "allowed_client_headers_on_success": _headers(provider.headers_to_downstream_on_allow),
    }
    if any(response.values()):
        service["authorization_response"] = {key: each for key, each in response.items() if each}
    config = {**_common(provider, HTTP_RBAC, name), "http_service": service}
    return Authorizer(http=_filter("envoy.filters.http.ext_authz", _HTTP, config))


def _request(provider: ExtAuthzHttp) -> Message:
    allowed = provider.include_request_headers_in_check or provider.include_headers_in_check
    added = provider.include_additional_headers_in_check
    request: Message = {}
    if allowed:
        request["allowed_headers"] = _headers(allowed)
    if added:
        request["headers_to_add"] = [{"key": key, "value": added[key]} for key in sorted(added)]
    return request


def _over_grpc(scope: Scope, provider: ExtAuthzGrpc, name: str) -> Authorizer | None:
    host = _host(scope, provider.service)
    if host is None or not _usable(provider):
        return None
    cluster = names.outbound(host, provider.port, "")
    service = {
        # A gRPC authority may not hold the `|` of the cluster's name.
        "envoy_grpc": {"cluster_name": cluster, "authority": cluster.replace("|", "_.")},
        "timeout": _timeout(provider.timeout_ns),
    }
    http = {**_common(provider, HTTP_RBAC, name), "grpc_service": service}
    tcp = {
        "stat_prefix": "tcp.",
        "failure_mode_allow": provider.fail_open,
        "transport_api_version": "V3",
        "grpc_service": service,
        "filter_enabled_metadata": _enabled(TCP_RBAC, name),
    }
    return Authorizer(
        http=_filter("envoy.filters.http.ext_authz", _HTTP, http),
        tcp=_filter("envoy.filters.network.ext_authz", _TCP, tcp),
    )


def _common(provider: ExtAuthzHttp | ExtAuthzGrpc, rbac: str, name: str) -> Message:
    config: Message = {
        "failure_mode_allow": provider.fail_open,
        "transport_api_version": "V3",
        "filter_enabled_metadata": _enabled(rbac, name),
    }
    if provider.clear_route_cache:
        config["clear_route_cache"] = True
    if provider.status_on_error:
        config["status_on_error"] = {"code": int(provider.status_on_error)}
    body: RequestBody | None = provider.include_request_body_in_check
    if body is not None:
        config["with_request_body"] = {
            "max_request_bytes": body.max_request_bytes,
            "allow_partial_message": body.allow_partial_message,
            "pack_as_bytes": body.pack_as_bytes,
        }
    return config


def _usable(provider: ExtAuthzHttp | ExtAuthzGrpc) -> bool:
    status = provider.status_on_error
    codes = message(_HTTP).DESCRIPTOR.fields_by_name["status_on_error"].message_type
    known = codes.fields_by_name["code"].enum_type.values_by_number
    right_status = not status or (status.isdecimal() and int(status) in known)
    return 1 <= provider.port <= _LARGEST_PORT and right_status


def _host(scope: Scope, service: str) -> str | None:
    """Return the host of [NAMESPACE/]HOST; None for one that the mesh does not have."""
    namespace, slash, wanted = service.rpartition("/")
    found = scope.mesh.services.get(wanted)
    if found is None or (slash and found.namespace != namespace):
        return None
    return wanted


def _timeout(given_ns: int | None) -> dict[str, int]:
    return duration(_TIMEOUT_NS if given_ns is None else given_ns)


def _headers(patterns: Sequence[str]) -> Message | None:
    if not patterns:
        return None
    return {"patterns": [{**matchers.string(each), "ignore_case": True} for each in patterns]}


def _enabled(rbac: str, provider: str) -> Message:
    matched = {"string_match": {"prefix": f"{PREFIX}-{provider}-"}}
    return matchers.metadata(rbac, [f"{SHADOW_PREFIX}shadow_effective_policy_id"], matched)


def _filter(name: str, kind: str, config: Message) -> Message:
    return {"name": name, "typed_config": pack(message(kind)(**config))}
