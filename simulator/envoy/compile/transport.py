"""Compile transport sockets.

Models    envoy.config.core.v3.TransportSocket, Cluster.TransportSocketMatch
Follows   envoy/source/common/upstream/transport_socket_match_impl.cc
"""

from __future__ import annotations

from typing import Any

from simulator import envoy_api
from simulator.envoy.compile.strings import string_matcher
from simulator.envoy.match import StringMatcher
from simulator.envoy.rejected import Scope
from simulator.envoy.transport import ClientTls, ServerTls, Transport
from simulator.envoy_api import name_of, unpack

_TLS = "envoy.extensions.transport_sockets.tls.v3."


def client_tls(socket: Any, scope: Scope, *, named_by_host: bool) -> ClientTls | None:  # noqa: ANN401
    """Compile the transport socket of a cluster; None for plain text."""
    context = _context(socket, "UpstreamTlsContext", scope)
    if context is None:
        return None
    common = context.common_tls_context
    return ClientTls(
        sni=context.sni,
        alpn=tuple(common.alpn_protocols),
        certificate=_certificate(common),
        secrets=_secrets(common),
        names=_names(common, scope),
        named_by_host=named_by_host,
    )


def server_tls(socket: Any, scope: Scope) -> ServerTls | None:  # noqa: ANN401 - protobuf
    """Compile the transport socket of a filter chain; None for plain text."""
    context = _context(socket, "DownstreamTlsContext", scope)
    if context is None:
        return None
    common = context.common_tls_context
    return ServerTls(
        certificate=_certificate(common),
        secrets=_secrets(common),
        asks=bool(context.require_client_certificate.value),
        names=_names(common, scope),
    )


def transports(message: Any, scope: Scope, *, named_by_host: bool) -> tuple[Transport, ...]:  # noqa: ANN401
    """Compile a cluster's transport sockets, the one for all other endpoints last."""
    found = [
        Transport(
            match=envoy_api.format(one.match),
            tls=client_tls(
                one.transport_socket,
                scope.at("transport_socket_matches", at),
                named_by_host=named_by_host,
            ),
        )
        for at, one in enumerate(message.transport_socket_matches)
    ]
    if message.HasField("transport_socket"):
        inner = scope.at("transport_socket")
        tls = client_tls(message.transport_socket, inner, named_by_host=named_by_host)
        found.append(Transport(tls=tls))
    return tuple(found)


def _context(socket: Any, kind: str, scope: Scope) -> Any | None:  # noqa: ANN401 - protobuf
    if not socket.typed_config.type_url:
        return None
    context = unpack(socket.typed_config)
    if name_of(context) == _TLS + kind:
        return context
    if not name_of(context).endswith("RawBuffer"):
        scope.skip("", f"the transport socket {socket.name} carries plain text")
    return None


def _certificate(common: Any) -> str:  # noqa: ANN401 - protobuf
    for each in common.tls_certificate_sds_secret_configs:
        return str(each.name)
    # A certificate that is written down has no name to be known by.
    return "-" if common.tls_certificates else ""


def _secrets(common: Any) -> tuple[str, ...]:  # noqa: ANN401 - protobuf
    roots = (
        common.validation_context_sds_secret_config,
        common.combined_validation_context.validation_context_sds_secret_config,
    )
    asked = (*common.tls_certificate_sds_secret_configs, *roots)
    return tuple(str(each.name) for each in asked if each.name)


def _names(common: Any, scope: Scope) -> tuple[StringMatcher, ...]:  # noqa: ANN401 - protobuf
    context = common.validation_context
    if common.WhichOneof("validation_context_type") == "combined_validation_context":
        context = common.combined_validation_context.default_validation_context
    typed = [each.matcher for each in context.match_typed_subject_alt_names]
    return tuple(string_matcher(each, scope) for each in (*typed, *context.match_subject_alt_names))
