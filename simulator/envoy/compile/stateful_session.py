"""Compile filters that keep a client at its host.

Models    envoy.extensions.filters.http.stateful_session.v3,
          envoy.extensions.http.stateful_session.{cookie,header}.v3
Follows   envoy/source/extensions/http/stateful_session/{cookie/cookie,header/header}.cc
"""

from __future__ import annotations

from typing import Any

from simulator.envoy.compile.fields import nanoseconds
from simulator.envoy.filters.stateful_session import StatefulSessionConfig
from simulator.envoy.rejected import Scope
from simulator.envoy_api import name_of, unpack

_KINDS = "envoy.extensions.http.stateful_session."


def stateful_session(message: Any, scope: Scope) -> StatefulSessionConfig:  # noqa: ANN401
    """Compile a StatefulSession."""
    scope.only(message, "session_state strict stat_prefix status_on_strict_destination_not_found")
    status = int(message.status_on_strict_destination_not_found)
    told = {"strict": message.strict, "status": status if message.strict and status else 503}
    if not message.HasField("session_state"):
        return StatefulSessionConfig(**told)
    state, inner = unpack(message.session_state.typed_config), scope.at("session_state")
    if name_of(state) == _KINDS + "header.v3.HeaderBasedSessionState":
        return StatefulSessionConfig(header=state.name, **told)
    if name_of(state) != _KINDS + "cookie.v3.CookieBasedSessionState":
        inner.skip("typed_config", f"no session is kept by {name_of(state)}")
        return StatefulSessionConfig(**told)
    cookie = state.cookie
    if not cookie.name:
        raise inner.reject("Cookie key cannot be empty for cookie based stateful sessions")
    return StatefulSessionConfig(
        cookie=cookie.name,
        path=cookie.path,
        ttl_s=nanoseconds(cookie.ttl) // 1_000_000_000,
        attributes=tuple((each.name, each.value) for each in getattr(cookie, "attributes", ())),
        **told,
    )


def stateful_session_per_route(message: Any, scope: Scope) -> StatefulSessionConfig:  # noqa: ANN401
    """Compile a StatefulSessionPerRoute."""
    if message.WhichOneof("override") == "stateful_session":
        return stateful_session(message.stateful_session, scope.at("stateful_session"))
    return StatefulSessionConfig()
