"""The HTTP connection manager of a filter chain, as configured.

Models    envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
Follows   envoy/source/extensions/filters/network/http_connection_manager/config.cc
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from simulator.envoy.access_log import AccessLog
from simulator.envoy.filters.router_config import RouterConfig
from simulator.envoy.local_reply_config import LocalReplyConfig
from simulator.envoy.network_filter_config import NetworkFilter
from simulator.envoy.path import PathRules
from simulator.envoy.request_id import Tracing
from simulator.envoy.route_table import RouteTable
from simulator.envoy.upgrade import Upgrades
from simulator.observe.explain import FieldRef


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFilter:
    """One HTTP filter of the chain."""

    name: str
    """As configured; `typed_per_filter_config` refers to it by this name."""
    type: str
    """The extension, such as `envoy.filters.http.fault`."""
    config: Any
    """Its compiled configuration; None where the simulator does not model it."""
    disabled: bool
    field: FieldRef


class Underscores(StrEnum):
    """What becomes of headers whose names hold an underscore."""

    ALLOW = "ALLOW"
    REJECT = "REJECT_REQUEST"
    DROP = "DROP_HEADER"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpChain:
    """What an HTTP connection manager does with each request."""

    field: FieldRef
    stat_prefix: str
    table: RouteTable | None
    """The inline table; else `route_config_name` names one of the route resources."""
    route_config_name: str
    filters: tuple[HttpFilter, ...]
    """In the order in which requests pass them; the router comes last."""
    path_rules: PathRules
    router: RouterConfig
    """The options of the last filter, the router."""
    network_filters: tuple[NetworkFilter, ...] = ()
    """What a connection passes before."""
    server_name: str = "envoy"
    server_header: str = "OVERWRITE"
    """`server_header_transformation`: `OVERWRITE`, `APPEND_IF_ABSENT` or `PASS_THROUGH`."""
    strip_any_host_port: bool = False
    strip_matching_host_port: bool = False
    strip_trailing_host_dot: bool = False
    request_timeout_ns: int = 0
    stream_idle_timeout_ns: int = 300_000_000_000
    max_stream_duration_ns: int | None = None
    generate_request_id: bool = True
    preserve_external_request_id: bool = False
    always_set_request_id_in_response: bool = False
    use_remote_address: bool = False
    skip_xff_append: bool = False
    xff_num_trusted_hops: int = 0
    """How many proxies before this one are believed in `x-forwarded-for`."""
    internal_cidrs: tuple[str, ...] = ()
    """`internal_address_config`: clients from here may steer the proxy by headers."""
    forward_client_cert: str = "SANITIZE"
    client_cert_details: frozenset[str] = frozenset()
    """What `x-forwarded-client-cert` tells besides the hash: `subject`, `uri`, `dns`."""
    via: str = ""
    names_unread: bool = False
    """Whether a filter may look at what differs from request to request."""
    underscores: Underscores = Underscores.ALLOW
    """`common_http_protocol_options.headers_with_underscores_action`"""
    upgrades: Upgrades = dataclasses.field(default_factory=dict)
    tracing: Tracing | None = None
    access_logs: tuple[AccessLog, ...] = ()
    local_reply: LocalReplyConfig | None = None
    filter_chain: str = ""
    """The name of the filter chain that it stands in."""

    def route_table(self, routes: Mapping[str, RouteTable]) -> RouteTable | None:
        """Return the table in force: the inline one, or the named one where it has arrived."""
        return self.table if self.table is not None else routes.get(self.route_config_name)

    def filter(self, name_or_type: str) -> HttpFilter | None:
        """Return the first enabled filter of a name or an extension type."""
        for one in self.filters:
            if name_or_type in (one.name, one.type) and not one.disabled:
                return one
        return None
