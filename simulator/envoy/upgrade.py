"""Which requests ask for another protocol, such as WebSocket, and whether that is allowed.

Models    HttpConnectionManager.upgrade_configs, RouteAction.upgrade_configs
Follows   envoy/source/common/http/utility.cc (isUpgrade), source/extensions/filters/network/
          http_connection_manager/config.cc (createUpgradeFilterChain),
          source/common/router/upstream_codec_filter.cc
Leaves    what is sent once the protocol has changed (docs/fidelity.md#upgrades)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from simulator.envoy.commands import VIA_UPSTREAM, Response
from simulator.envoy.header_map import Headers, first

Upgrades: TypeAlias = Mapping[str, bool]
"""By protocol, in lower case: whether it is allowed."""

_SWITCHING = 101
_ERROR = 400
_HTTP2 = "h2c"
"""The codec passes over the wish for it."""


def wanted(headers: Headers) -> str:
    """Return the protocol that a request asks for, in lower case; empty if it asks for none."""
    protocol = first(headers, "upgrade")
    if protocol is None:
        return ""
    tokens = (first(headers, "connection") or "").lower().split(",")
    protocol = protocol.lower()
    asked = "upgrade" in (each.strip() for each in tokens)
    return protocol if asked and protocol != _HTTP2 else ""


def answered(headers: Headers, response: Response) -> tuple[Response, str]:
    """Return an endpoint's response as it is passed on, and its details.

    One that does not fulfil the wish for a WebSocket loses its body, unless it is an error.
    """
    if wanted(headers) != "websocket" or response.status == _SWITCHING or response.status >= _ERROR:
        return response, VIA_UPSTREAM
    failed = Response(status=response.status, headers=response.headers)
    return failed, "websocket_handshake_unsuccessful"
