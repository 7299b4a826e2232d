"""Compile HTTP connection managers.

Models    envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
Follows   envoy/source/extensions/filters/network/http_connection_manager/config.cc
Leaves    scoped routes, codec options (docs/fidelity.md#http-connection-manager)
"""

from __future__ import annotations

from typing import Any

from simulator.envoy.compile.access_log import access_logs
from simulator.envoy.compile.fields import names_unread, optional_ns, percentage
from simulator.envoy.compile.filters import filter_config
from simulator.envoy.compile.local_reply import local_reply
from simulator.envoy.compile.routes import route_table
from simulator.envoy.compile.upgrades import manager_upgrades
from simulator.envoy.filters.rbac_config import RbacConfig
from simulator.envoy.filters.router_config import RouterConfig
from simulator.envoy.http import HttpChain, HttpFilter, Underscores
from simulator.envoy.network_filter_config import NetworkFilter
from simulator.envoy.path import EscapedSlashes, PathRules
from simulator.envoy.rejected import Scope
from simulator.envoy.request_id import Tracing
from simulator.envoy_api import name_of

_ROUTER = "envoy.extensions.filters.http.router.v3.Router"
_ROUTER_NAME = "envoy.filters.http.router"
_MODELLED = """
    codec_type stat_prefix rds route_config http_filters server_name stream_idle_timeout
    request_timeout common_http_protocol_options use_remote_address generate_request_id
    preserve_external_request_id forward_client_cert_details set_current_client_cert_details
    normalize_path merge_slashes path_with_escaped_slashes_action strip_matching_host_port
    strip_any_host_port strip_trailing_host_dot via tracing access_log delayed_close_timeout
    drain_timeout http_protocol_options http2_protocol_options request_headers_timeout
    max_request_headers_kb always_set_request_id_in_response proxy_100_continue
    add_user_agent xff_num_trusted_hops skip_xff_append
    server_header_transformation internal_address_config upgrade_configs request_id_extension
    local_reply_config
"""


def http_chain(
    message: Any,  # noqa: ANN401 - protobuf
    before: tuple[NetworkFilter, ...],
    scope: Scope,
    name: str,
) -> HttpChain:
    """Compile the HttpConnectionManager of a filter chain, with the network filters before it."""
    for one in before:
        if not isinstance(one, RbacConfig):
            scope.skip("", "connections that carry HTTP are not limited")
    scope.only(message, _MODELLED)
    which = message.WhichOneof("route_specifier")
    if which is None:
        raise scope.reject("HttpConnectionManagerValidationError.RouteSpecifier: value is required")
    if which == "scoped_routes":
        scope.skip(which, "every request finds no route")
    table = (
        route_table(message.route_config, scope.at("route_config"))
        if which == "route_config"
        else None
    )
    filters = _filters(message, scope)
    options = message.common_http_protocol_options
    return HttpChain(
        field=scope.ref,
        stat_prefix=message.stat_prefix,
        table=table,
        route_config_name=message.rds.route_config_name if which == "rds" else "",
        network_filters=before,
        filters=filters,
        router=filters[-1].config if filters else RouterConfig(),
        path_rules=PathRules(
            normalize=bool(message.normalize_path.value),
            merge_slashes=bool(message.merge_slashes),
            escaped_slashes=_escaped_slashes(message),
        ),
        server_name=message.server_name or "envoy",
        server_header=_choice(message, "server_header_transformation"),
        strip_any_host_port=bool(message.strip_any_host_port),
        strip_matching_host_port=bool(message.strip_matching_host_port),
        strip_trailing_host_dot=bool(message.strip_trailing_host_dot),
        request_timeout_ns=optional_ns(message, "request_timeout") or 0,
        stream_idle_timeout_ns=_idle(message),
        max_stream_duration_ns=optional_ns(options, "max_stream_duration"),
        generate_request_id=(
            not message.HasField("generate_request_id") or message.generate_request_id.value
        ),
        preserve_external_request_id=bool(message.preserve_external_request_id),
        names_unread=(
            # The mappers' filters and the bodies' formats may look at a request's id, too.
            names_unread(*message.http_filters) or message.HasField("local_reply_config")
        ),
        always_set_request_id_in_response=bool(message.always_set_request_id_in_response),
        use_remote_address=bool(message.use_remote_address.value),
        skip_xff_append=bool(message.skip_xff_append),
        xff_num_trusted_hops=int(message.xff_num_trusted_hops),
        internal_cidrs=tuple(
            f"{one.address_prefix}/{one.prefix_len.value}"
            for one in message.internal_address_config.cidr_ranges
        ),
        forward_client_cert=_choice(message, "forward_client_cert_details"),
        client_cert_details=_cert_details(message.set_current_client_cert_details),
        via=message.via,
        underscores=tuple(Underscores)[options.headers_with_underscores_action],
        upgrades=manager_upgrades(message.upgrade_configs, scope),
        tracing=_tracing(message, scope),
        access_logs=access_logs(message.access_log, scope),
        local_reply=local_reply(message, scope),
        filter_chain=name,
    )


def _tracing(message: Any, scope: Scope) -> Tracing | None:  # noqa: ANN401 - protobuf
    if not message.HasField("tracing"):
        return None
    scope.skip("tracing", "requests are marked to be traced, but no spans are made")
    shares = {}
    for name in ("client", "random", "overall"):
        field = f"{name}_sampling"
        if message.tracing.HasField(field):
            where = scope.at("tracing").at(field)
            shares[name] = round(percentage(getattr(message.tracing, field), where) * 100)
    return Tracing(**shares)


def _choice(message: Any, name: str) -> str:  # noqa: ANN401 - protobuf
    """Return the name of an enumeration's value."""
    kind = type(message).DESCRIPTOR.fields_by_name[name].enum_type
    return str(kind.values_by_number[getattr(message, name)].name)


def _cert_details(message: Any) -> frozenset[str]:  # noqa: ANN401 - protobuf
    wanted = {"subject": message.subject.value, "uri": message.uri, "dns": message.dns}
    return frozenset(name for name, on in wanted.items() if on)


def _idle(message: Any) -> int:  # noqa: ANN401 - protobuf
    given = optional_ns(message, "stream_idle_timeout")
    return 300_000_000_000 if given is None else given


def _escaped_slashes(message: Any) -> EscapedSlashes:  # noqa: ANN401 - protobuf
    names = (
        EscapedSlashes.KEEP,
        EscapedSlashes.KEEP,
        EscapedSlashes.REJECT,
        EscapedSlashes.UNESCAPE_AND_REDIRECT,
        EscapedSlashes.UNESCAPE_AND_FORWARD,
    )
    given = message.path_with_escaped_slashes_action
    # A number that stands for nothing changes nothing.
    return names[given] if given < len(names) else EscapedSlashes.KEEP


def _filters(message: Any, scope: Scope) -> tuple[HttpFilter, ...]:  # noqa: ANN401 - protobuf
    found = tuple(
        _filter(one, scope.at("http_filters", at)) for at, one in enumerate(message.http_filters)
    )
    enabled = [one for one in found if one.type]
    for at, one in enumerate(found[:-1]):
        if one.type == _ROUTER:
            raise scope.at("http_filters", at).reject(
                f"Error: terminal filter named {one.name} of type {_ROUTER_NAME} must be the last "
                "filter in a http filter chain."
            )
    if not found:
        scope.skip("http_filters", "no filter answers, not even a router; here one is supposed")
    elif not enabled or enabled[-1].type != _ROUTER:
        last = enabled[-1].name if enabled else ""
        raise scope.reject(
            f"Error: non-terminal filter named {last} of type {last} is the last filter in a "
            "http filter chain."
            if last
            else "Error: terminal filter is missing from the http filter chain."
        )
    return found


def _filter(message: Any, scope: Scope) -> HttpFilter:  # noqa: ANN401 - protobuf
    which = message.WhichOneof("config_type")
    kind, config = "", None
    if which == "typed_config":
        kind, config = filter_config(message.name, message.typed_config, scope.at(which))
    elif which is not None:
        scope.skip(which, f"the filter {message.name} lets every request pass unchanged")
    else:
        raise scope.reject(
            f"Didn't find a registered implementation for '{message.name}' with type URL: ''"
        )
    return HttpFilter(
        name=message.name,
        type=kind,
        config=config,
        disabled=bool(message.disabled),
        field=scope.ref,
    )


def is_http(message: Any) -> bool:  # noqa: ANN401 - protobuf
    """Say whether a network filter's configuration is an HTTP connection manager's."""
    return name_of(message) == (
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    )
