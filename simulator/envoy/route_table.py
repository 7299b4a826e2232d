"""A route configuration, ready to be asked: the runtime objects that routing reads.

Models    envoy.config.route.v3.{RouteConfiguration, VirtualHost, Route}
Follows   envoy/source/common/router/config_impl.h
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from simulator.diagnostics import Diagnostic
from simulator.envoy.match import Condition, HeaderMatcher, PathKind, PathMatcher
from simulator.envoy.match_tree import Tree
from simulator.envoy.mutation import NO_MUTATIONS, Mutations
from simulator.envoy.rate_limit import RateLimit
from simulator.envoy.retry_policy import RetryPolicy
from simulator.envoy.rewrite import (
    NO_HOST_REWRITE,
    NO_PATH_REWRITE,
    DirectResponse,
    HostRewrite,
    PathRewrite,
    Redirect,
    RegexRewrite,
)
from simulator.envoy.upgrade import Upgrades
from simulator.observe.explain import FieldRef

DEFAULT_TIMEOUT_NS = 15_000_000_000


class Action(StrEnum):
    """What a route does with a request."""

    ROUTE = "route"
    REDIRECT = "redirect"
    DIRECT_RESPONSE = "direct_response"
    NON_FORWARDING = "non_forwarding_action"
    FILTER = "filter_action"


@dataclass(frozen=True, slots=True, kw_only=True)
class PerFilter:
    """What one level (table, virtual host, route, weighted cluster) says about a filter."""

    config: Any
    """The filter's compiled configuration; None where the simulator does not model it."""
    disabled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedCluster:
    """One entry of `weighted_clusters`."""

    name: str
    """Empty where `cluster_header` tells it."""
    cluster_header: str
    weight: int
    field: FieldRef
    request_headers: Mutations = NO_MUTATIONS
    response_headers: Mutations = NO_MUTATIONS
    host_rewrite: str = ""
    metadata_match: Mapping[str, Any] | None = None
    per_filter: Mapping[str, PerFilter] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """One entry of `request_mirror_policies`."""

    cluster: str
    cluster_header: str
    numerator: int
    denominator: int
    runtime_key: str
    suffix_host: bool
    """Whether `-shadow` is appended to the mirrored request's host."""
    host_rewrite: str
    """What the copy's host is, instead; empty: no other."""
    request_headers: tuple[Mutations, ...]
    """What is changed in the copy, in order."""
    field: FieldRef


@dataclass(frozen=True, slots=True, kw_only=True)
class HashPolicy:
    """One entry of `hash_policy`."""

    kind: str
    """`header`, `cookie`, `connection_properties`, `query_parameter` or `filter_state`."""
    name: str
    """The header's, cookie's, parameter's or key's name; empty for the source address."""
    terminal: bool
    field: FieldRef
    rewrite: RegexRewrite | None = None
    """What is made of a header's values before they are hashed."""
    cookie_ttl_ns: int | None = None
    """Where given, an absent cookie is made; 0 is a session cookie."""
    cookie_path: str = ""
    cookie_attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InternalRedirect:
    """RouteAction.internal_redirect_policy."""

    field: FieldRef
    codes: frozenset[int]
    max_redirects: int
    cross_scheme: bool
    copied: tuple[str, ...]
    """Headers of the response that the next request takes over, lower-case."""
    allowed_routes: frozenset[str] | None
    """The names of the only routes that it may lead to; None: any."""
    new_routes: bool
    """Whether it may not lead from one route to another for the second time."""
    safe_scheme: bool
    """Whether it may not lead from plain text to TLS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamDuration:
    """RouteAction.MaxStreamDuration."""

    max_ns: int | None
    """0: for ever, whatever the connection manager says."""
    grpc_header_max_ns: int | None
    """Where given, a `grpc-timeout` counts, up to this; 0: without limit."""
    grpc_header_offset_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteEntry:
    """One route of a virtual host; names are those of the fields they come from."""

    name: str
    index: int
    field: FieldRef
    conditions: tuple[Condition, ...]
    """All that must hold, in Envoy's order; the path comes last."""
    path: PathMatcher
    action: Action
    redirect: Redirect | None = None
    direct_response: DirectResponse | None = None
    cluster: str = ""
    """The one cluster; empty where a header or weights tell it."""
    cluster_header: str = ""
    weighted_clusters: tuple[WeightedCluster, ...] = ()
    weights_header: str = ""
    """The header whose number replaces the random value for the weights."""
    weights_total: int = 0
    cluster_not_found_status: int = 503
    timeout_ns: int = DEFAULT_TIMEOUT_NS
    """0: none."""
    idle_timeout_ns: int | None = None
    stream_duration: StreamDuration | None = None
    """`max_stream_duration`; where given, `timeout` means nothing."""
    max_grpc_timeout_ns: int | None = None
    """Where given, gRPC clients' deadlines count, up to this; 0: without limit."""
    grpc_timeout_offset_ns: int | None = None
    internal_redirect: InternalRedirect | None = None
    upgrades: Upgrades = dataclasses.field(default_factory=dict)
    retry_policy: RetryPolicy | None = None
    """Its own, or else its virtual host's or its table's."""
    path_rewrite: PathRewrite = NO_PATH_REWRITE
    host_rewrite: HostRewrite = NO_HOST_REWRITE
    request_headers: Mutations = NO_MUTATIONS
    response_headers: Mutations = NO_MUTATIONS
    mirrors: tuple[Mirror, ...] = ()
    hash_policy: tuple[HashPolicy, ...] = ()
    metadata_match: Mapping[str, Any] | None = None
    """Subset selection: `envoy.lb` keys and values that endpoints must have."""
    priority: str = "DEFAULT"
    decorator: str = ""
    rate_limits: tuple[RateLimit, ...] = ()
    include_vh_rate_limits: bool = False
    per_filter: Mapping[str, PerFilter] = dataclasses.field(default_factory=dict)
    """Compiled `typed_per_filter_config` by filter name."""


class TlsRequirement(StrEnum):
    """VirtualHost.TlsRequirementType."""

    NONE = "NONE"
    EXTERNAL_ONLY = "EXTERNAL_ONLY"
    ALL = "ALL"


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualCluster:
    """One entry of `virtual_clusters`: a name in statistics for requests of a kind."""

    name: str
    conditions: tuple[HeaderMatcher, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualHost:
    """One virtual host of a table."""

    name: str
    index: int
    field: FieldRef
    domains: tuple[str, ...]
    routes: tuple[RouteEntry, ...]
    tree: Tree[tuple[RouteEntry, ...]] | None = None
    """Instead of `routes`: where the routes that are tried depend on the request."""
    require_tls: TlsRequirement = TlsRequirement.NONE
    virtual_clusters: tuple[VirtualCluster, ...] = ()
    request_headers: Mutations = NO_MUTATIONS
    response_headers: Mutations = NO_MUTATIONS
    include_request_attempt_count: bool = False
    include_attempt_count_in_response: bool = False
    rate_limits: tuple[RateLimit, ...] = ()
    per_filter: Mapping[str, PerFilter] = dataclasses.field(default_factory=dict)

    @property
    def by_path_alone(self) -> bool:
        """Say whether the path alone decides which of its routes takes a request."""
        return (
            self.tree is None
            and self.require_tls is TlsRequirement.NONE
            and not any(
                route.conditions or route.path.kind is PathKind.CONNECT for route in self.routes
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTable:
    """A route configuration, ready to be asked."""

    name: str
    field: FieldRef
    virtual_hosts: tuple[VirtualHost, ...]
    exact: Mapping[str, VirtualHost]
    """By domain, lower-case."""
    suffixes: tuple[tuple[int, Mapping[str, VirtualHost]], ...]
    """`*.foo.com` by what follows the star, longest length first."""
    prefixes: tuple[tuple[int, Mapping[str, VirtualHost]], ...]
    """`foo.*` by what precedes the star, longest length first."""
    default: VirtualHost | None
    """The one whose domain is `*`."""
    vhost_header: str = ""
    ignore_port: bool = False
    ignore_path_parameters: bool = False
    most_specific_wins: bool = False
    """Header changes of the table come first and those of the route last, not the reverse."""
    request_headers: Mutations = NO_MUTATIONS
    response_headers: Mutations = NO_MUTATIONS
    internal_only_headers: tuple[str, ...] = ()
    names_unread: bool = False
    """Whether it may look at what differs from request to request."""
    per_filter: Mapping[str, PerFilter] = dataclasses.field(default_factory=dict)
    diagnostics: tuple[Diagnostic, ...] = ()
    known: dict[tuple[str, str], Any] = dataclasses.field(
        default_factory=dict, compare=False, repr=False
    )
    """What `route.find` has found before, by authority and path; to be left to it."""
