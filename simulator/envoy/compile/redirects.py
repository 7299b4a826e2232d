"""Compile what a route says of redirects that the proxy follows itself.

Models    envoy.config.route.v3.InternalRedirectPolicy
Follows   envoy/source/common/router/config_impl.cc (InternalRedirectPolicyImpl)
"""

from __future__ import annotations

from typing import Any

from simulator.envoy.rejected import Scope
from simulator.envoy.route_table import InternalRedirect
from simulator.envoy_api import name_of, unpack

_CODES = frozenset({301, 302, 303, 307, 308})
_PREDICATES = "envoy.extensions.internal_redirect."


def internal_redirect(message: Any, scope: Scope) -> InternalRedirect:  # noqa: ANN401 - protobuf
    """Compile an InternalRedirectPolicy."""
    for name in message.response_headers_to_copy:
        if name.startswith(":") or name.lower() == "host":
            raise scope.reject(":-prefixed headers or Hosts may not be specified here.")
    allowed: frozenset[str] | None = None
    new_routes = safe_scheme = False
    for at, one in enumerate(message.predicates):
        config = unpack(one.typed_config)
        match name_of(config).removeprefix(_PREDICATES):
            case "allow_listed_routes.v3.AllowListedRoutesConfig":
                names = frozenset(config.allowed_route_names)
                allowed = names if allowed is None else allowed & names
            case "previous_routes.v3.PreviousRoutesConfig":
                new_routes = True
            case "safe_cross_scheme.v3.SafeCrossSchemeConfig":
                safe_scheme = True
            case _:
                scope.at("predicates", at).skip("", "it accepts every redirect")
    given = message.redirect_response_codes
    return InternalRedirect(
        field=scope.ref,
        codes=frozenset(given) & _CODES if given else frozenset({302}),
        max_redirects=(
            int(message.max_internal_redirects.value)
            if message.HasField("max_internal_redirects")
            else 1
        ),
        cross_scheme=bool(message.allow_cross_scheme_redirect),
        copied=tuple(name.lower() for name in message.response_headers_to_copy),
        allowed_routes=allowed,
        new_routes=new_routes,
        safe_scheme=safe_scheme,
    )
