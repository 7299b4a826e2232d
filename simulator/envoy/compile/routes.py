"""Compile routes, virtual hosts and route tables.

Models    envoy.config.route.v3.{RouteConfiguration, VirtualHost, Route}
Follows   envoy/source/common/router/config_impl.cc
Leaves    cluster specifier plug-ins, VHDS
          (docs/fidelity.md#route-options)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from simulator.envoy.compile.actions import (
    direct_response,
    hash_policy,
    host_rewrite,
    metadata_match,
    mirror,
    not_found_status,
    path_rewrite,
    redirect,
    stream_duration,
    weighted_clusters,
)
from simulator.envoy.compile.fields import names_unread, optional_ns
from simulator.envoy.compile.filters import per_filter
from simulator.envoy.compile.match_tree import match_tree
from simulator.envoy.compile.matchers import conditions, header_matcher, path_matcher
from simulator.envoy.compile.mutations import mutations
from simulator.envoy.compile.rate_limits import rate_limits
from simulator.envoy.compile.redirects import internal_redirect
from simulator.envoy.compile.retries import retry_policy
from simulator.envoy.compile.upgrades import route_upgrades
from simulator.envoy.match import PathKind
from simulator.envoy.match_tree import Tree
from simulator.envoy.rejected import Scope
from simulator.envoy.retry_policy import RetryPolicy
from simulator.envoy.route_table import (
    DEFAULT_TIMEOUT_NS,
    Action,
    Mirror,
    RouteEntry,
    RouteTable,
    TlsRequirement,
    VirtualCluster,
    VirtualHost,
)
from simulator.envoy_api import name_of

_LARGEST_BODY = 4096
_ROUTE_LIST = "envoy.config.route.v3.RouteList"
_ROUTE = """name match route redirect direct_response metadata decorator typed_per_filter_config
    request_headers_to_add request_headers_to_remove response_headers_to_add
    response_headers_to_remove tracing per_request_buffer_limit_bytes stat_prefix
    non_forwarding_action filter_action request_body_buffer_limit"""
_ACTION = """cluster cluster_header weighted_clusters cluster_not_found_response_code metadata_match
    prefix_rewrite regex_rewrite path_rewrite_policy path_rewrite host_rewrite_literal
    auto_host_rewrite host_rewrite_header host_rewrite_path_regex host_rewrite
    append_x_forwarded_host timeout idle_timeout retry_policy request_mirror_policies priority
    hash_policy max_stream_duration max_grpc_timeout grpc_timeout_offset
    early_data_policy rate_limits include_vh_rate_limits internal_redirect_policy upgrade_configs"""
_HOST = """name domains routes matcher require_tls virtual_clusters request_headers_to_add
    request_headers_to_remove response_headers_to_add response_headers_to_remove
    typed_per_filter_config include_request_attempt_count include_attempt_count_in_response
    retry_policy per_request_buffer_limit_bytes request_mirror_policies metadata
    request_body_buffer_limit rate_limits"""
_TABLE = """name virtual_hosts internal_only_headers response_headers_to_add
    response_headers_to_remove request_headers_to_add request_headers_to_remove
    most_specific_header_mutations_wins validate_clusters max_direct_response_body_size_bytes
    request_mirror_policies ignore_port_in_host_matching ignore_path_parameters_in_path_matching
    typed_per_filter_config metadata vhost_header"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inherited:
    """What routes take over from their virtual host or table."""

    retry_policy: RetryPolicy | None = None
    mirrors: tuple[Mirror, ...] = ()
    largest_body: int = _LARGEST_BODY


def route_table(message: Any, scope: Scope) -> RouteTable:  # noqa: ANN401 - protobuf
    """Compile a RouteConfiguration."""
    scope.only(message, _TABLE)
    inherited = _Inherited(
        mirrors=_mirrors(message, scope),
        largest_body=(
            int(message.max_direct_response_body_size_bytes.value)
            if message.HasField("max_direct_response_body_size_bytes")
            else _LARGEST_BODY
        ),
    )
    _refuse_unknown_plugins(message, scope)
    hosts = tuple(
        _virtual_host(one, at, inherited, scope.at("virtual_hosts", at))
        for at, one in enumerate(message.virtual_hosts)
    )
    domains = _Domains(message.name, scope)
    for host in hosts:
        domains.add(host)
    return RouteTable(
        name=message.name,
        field=scope.ref,
        virtual_hosts=hosts,
        exact=domains.exact,
        suffixes=_longest_first(domains.suffixes),
        prefixes=_longest_first(domains.prefixes),
        default=domains.default,
        vhost_header=message.vhost_header.lower(),
        ignore_port=bool(message.ignore_port_in_host_matching),
        ignore_path_parameters=bool(message.ignore_path_parameters_in_path_matching),
        most_specific_wins=bool(message.most_specific_header_mutations_wins),
        request_headers=mutations(message, "request", scope),
        response_headers=mutations(message, "response", scope),
        internal_only_headers=tuple(name.lower() for name in message.internal_only_headers),
        names_unread=names_unread(message),
        per_filter=per_filter(message.typed_per_filter_config, scope),
        diagnostics=tuple(scope.found),
    )


def _refuse_unknown_plugins(message: Any, scope: Scope) -> None:  # noqa: ANN401 - protobuf
    known = {one.extension.name for one in message.cluster_specifier_plugins}
    for host in message.virtual_hosts:
        for route in host.routes:
            named = route.route.cluster_specifier_plugin
            if named and named not in known:
                raise scope.reject(
                    f"Unknown cluster specifier plugin name: {named} is used in the route"
                )


class _Domains:
    """Sorts domains into the maps in which hosts are looked up."""

    def __init__(self, name: str, scope: Scope) -> None:
        self._name = name
        self._scope = scope
        self.exact: dict[str, VirtualHost] = {}
        self.suffixes: dict[int, dict[str, VirtualHost]] = {}
        self.prefixes: dict[int, dict[str, VirtualHost]] = {}
        self.default: VirtualHost | None = None

    def add(self, host: VirtualHost) -> None:
        for at, domain in enumerate(host.domains):
            scope = self._scope.at("virtual_hosts", host.index).at("domains", at)
            if domain == "*":
                if self.default is not None:
                    raise scope.reject(
                        f"Only a single wildcard domain is permitted in route {self._name}"
                    )
                self.default = host
                continue
            key, known = self._place(domain)
            if key in known:
                raise scope.reject(
                    "Only unique values for domains are permitted. "
                    f"Duplicate entry of domain {domain} in route {self._name}"
                )
            known[key] = host

    def _place(self, domain: str) -> tuple[str, dict[str, VirtualHost]]:
        if domain.startswith("*"):
            return domain[1:], self.suffixes.setdefault(len(domain) - 1, {})
        if domain.endswith("*"):
            return domain[:-1], self.prefixes.setdefault(len(domain) - 1, {})
        return domain, self.exact


def _longest_first(
    maps: dict[int, dict[str, VirtualHost]],
) -> tuple[tuple[int, dict[str, VirtualHost]], ...]:
    return tuple((length, maps[length]) for length in sorted(maps, reverse=True))


def _virtual_host(message: Any, index: int, above: _Inherited, scope: Scope) -> VirtualHost:  # noqa: ANN401
    scope.only(message, _HOST)
    if not message.name:
        raise scope.reject(
            "VirtualHostValidationError.Name: value length must be at least 1 characters"
        )
    if not message.domains:
        raise scope.reject(
            "VirtualHostValidationError.Domains: value must contain at least 1 item(s)"
        )
    if message.HasField("matcher") and message.routes:
        raise scope.reject("cannot set both matcher and routes on virtual host")
    policy = (
        retry_policy(message.retry_policy, scope.at("retry_policy"))
        if message.HasField("retry_policy")
        else None
    )
    inherited = _Inherited(
        retry_policy=policy,
        mirrors=_mirrors(message, scope) or above.mirrors,
        largest_body=above.largest_body,
    )
    return VirtualHost(
        name=message.name,
        index=index,
        field=scope.ref,
        domains=tuple(domain.lower() for domain in message.domains),
        routes=tuple(
            _route(one, at, inherited, scope.at("routes", at))
            for at, one in enumerate(message.routes)
        ),
        tree=_tree(message.matcher, inherited, scope.at("matcher"))
        if message.HasField("matcher")
        else None,
        require_tls=list(TlsRequirement)[message.require_tls],
        virtual_clusters=tuple(
            _virtual_cluster(one, scope.at("virtual_clusters", at))
            for at, one in enumerate(message.virtual_clusters)
        ),
        request_headers=mutations(message, "request", scope),
        response_headers=mutations(message, "response", scope),
        include_request_attempt_count=bool(message.include_request_attempt_count),
        include_attempt_count_in_response=bool(message.include_attempt_count_in_response),
        rate_limits=rate_limits(message, scope),
        per_filter=per_filter(message.typed_per_filter_config, scope),
    )


def _tree(message: Any, above: _Inherited, scope: Scope) -> Tree[tuple[RouteEntry, ...]]:  # noqa: ANN401
    """Compile a tree that leads to a route, or to a list of routes."""

    def routes(action: Any, inner: Scope) -> tuple[RouteEntry, ...]:  # noqa: ANN401 - protobuf
        if name_of(action) == _ROUTE_LIST:
            return tuple(
                _route(one, at, above, inner.at("routes", at))
                for at, one in enumerate(action.routes)
            )
        return (_route(action, 0, above, inner),)

    return match_tree(message, scope, routes)


def _virtual_cluster(message: Any, scope: Scope) -> VirtualCluster:  # noqa: ANN401 - protobuf
    if not message.headers:
        raise scope.reject("virtual clusters must define 'headers'")
    return VirtualCluster(
        name=message.name,
        conditions=tuple(
            header_matcher(one, scope.at("headers", at)) for at, one in enumerate(message.headers)
        ),
    )


def _mirrors(message: Any, scope: Scope) -> tuple[Mirror, ...]:  # noqa: ANN401 - protobuf
    policies: Iterable[Any] = message.request_mirror_policies
    return tuple(
        mirror(one, scope.at("request_mirror_policies", at)) for at, one in enumerate(policies)
    )


def _route(message: Any, index: int, above: _Inherited, scope: Scope) -> RouteEntry:  # noqa: ANN401
    scope.only(message, _ROUTE)
    which = message.WhichOneof("action")
    if which is None:
        raise scope.reject("RouteValidationError.Action: value is required")
    match = scope.at("match")
    # Conditions carry paths below their route, which stays the same for every route.
    below = Scope(match.kind, match.resource, "match", match.found)
    path = path_matcher(message.match, below)
    common: dict[str, Any] = {
        "name": message.name,
        "index": index,
        "field": scope.ref,
        "conditions": conditions(message.match, below),
        "path": path,
        "action": Action(which),
        "request_headers": mutations(message, "request", scope),
        "response_headers": mutations(message, "response", scope),
        "decorator": message.decorator.operation,
        "per_filter": per_filter(message.typed_per_filter_config, scope),
    }
    template = path.value if path.kind is PathKind.TEMPLATE else ""
    if which == "redirect":
        common["redirect"] = redirect(message.redirect, template, scope.at("redirect"))
    elif which == "direct_response":
        common["direct_response"] = direct_response(
            message.direct_response, above.largest_body, scope.at("direct_response")
        )
    elif which == "route":
        common |= _forward(message, template, above, scope.at("route"))
    else:
        scope.skip(which, "requests that come here are not answered as Envoy would")
    return RouteEntry(**common)


def _forward(route: Any, template: str, above: _Inherited, scope: Scope) -> dict[str, Any]:  # noqa: ANN401
    action = route.route
    scope.only(action, _ACTION)
    timeout = optional_ns(action, "timeout")
    out: dict[str, Any] = {
        "cluster_not_found_status": not_found_status(action),
        "timeout_ns": DEFAULT_TIMEOUT_NS if timeout is None else timeout,
        "idle_timeout_ns": optional_ns(action, "idle_timeout"),
        "stream_duration": stream_duration(action),
        "max_grpc_timeout_ns": optional_ns(action, "max_grpc_timeout"),
        "grpc_timeout_offset_ns": optional_ns(action, "grpc_timeout_offset"),
        "path_rewrite": path_rewrite(action, template, scope),
        "host_rewrite": host_rewrite(action, scope),
        "mirrors": _mirrors(action, scope) or above.mirrors,
        "hash_policy": tuple(
            made
            for at, one in enumerate(action.hash_policy)
            if (made := hash_policy(one, scope.at("hash_policy", at))) is not None
        ),
        "metadata_match": metadata_match(action),
        "upgrades": route_upgrades(action.upgrade_configs, scope),
        "priority": "HIGH" if action.priority else "DEFAULT",
        "retry_policy": above.retry_policy,
        "rate_limits": rate_limits(action, scope),
        "include_vh_rate_limits": bool(action.include_vh_rate_limits.value),
    }
    if action.HasField("internal_redirect_policy"):
        policy = scope.at("internal_redirect_policy")
        out["internal_redirect"] = internal_redirect(action.internal_redirect_policy, policy)
    if action.HasField("retry_policy"):
        out["retry_policy"] = retry_policy(action.retry_policy, scope.at("retry_policy"))
    which = action.WhichOneof("cluster_specifier")
    match which:
        case None:
            raise scope.reject("RouteActionValidationError.ClusterSpecifier: value is required")
        case "cluster":
            if not action.cluster:
                raise scope.reject(
                    "RouteActionValidationError.Cluster: value length must be at least 1 characters"
                )
            out["cluster"] = action.cluster
        case "cluster_header":
            out["cluster_header"] = action.cluster_header.lower()
        case "weighted_clusters":
            clusters = action.weighted_clusters
            entries, total = weighted_clusters(clusters, route.name, scope.at(which))
            out["weighted_clusters"], out["weights_total"] = entries, total
            out["weights_header"] = clusters.header_name.lower()
    return out
