"""Pass a request through the filters of its chain, and a response back through them.

One table says which function plays which filter; a filter that is not in it lets
everything pass.

Follows   envoy/source/common/http/filter_manager.cc
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from simulator.envoy.commands import Response
from simulator.envoy.filters import (
    cors,
    ext_authz,
    ext_authz_config,
    fault,
    fault_config,
    filter_state,
    jwt,
    jwt_config,
    local_ratelimit,
    ratelimit,
    ratelimit_config,
    rbac,
    rbac_config,
    small,
    small_config,
    stateful_session,
)
from simulator.envoy.filters.passing import Passing, Verdict
from simulator.envoy.http import HttpFilter
from simulator.envoy.route import RouteMatch

_DECODERS: Mapping[type, Callable[[Any, Passing], Verdict | None]] = {
    ext_authz_config.ExtAuthzConfig: ext_authz.decode,
    fault_config.FaultConfig: fault.decode,
    filter_state.FilterStateConfig: filter_state.decode,
    jwt_config.JwtConfig: jwt.decode,
    ratelimit_config.RateLimitConfig: ratelimit.decode,
    rbac_config.RbacConfig: rbac.decode,
    small_config.BufferConfig: small.buffer,
    small_config.CorsConfig: cors.decode,
    small_config.HeaderMutationConfig: small.mutate_request,
    small_config.HealthCheckConfig: small.health_check,
    small_config.LocalRateLimitConfig: local_ratelimit.decode,
    small_config.SetMetadataConfig: small.set_metadata,
    stateful_session.StatefulSessionConfig: stateful_session.decode,
}
"""What a filter makes of a request, by the type of its configuration."""

_ENCODERS: Mapping[type, Callable[[Any, Passing, Response], Response]] = {
    ext_authz_config.ExtAuthzConfig: ext_authz.encode,
    ratelimit_config.RateLimitConfig: ratelimit.encode,
    small_config.CorsConfig: cors.encode,
    small_config.HeaderMutationConfig: small.mutate_response,
    small_config.LocalRateLimitConfig: local_ratelimit.encode,
    stateful_session.StatefulSessionConfig: stateful_session.encode,
}
"""What a filter makes of a response."""


_STEADY: Mapping[type, Callable[[Any], bool]] = {
    fault_config.FaultConfig: lambda config: config.delay is None and config.abort is None,
    filter_state.FilterStateConfig: lambda _: True,
    rbac_config.RbacConfig: lambda _: True,
    small_config.CorsConfig: lambda _: True,
    small_config.SetMetadataConfig: lambda _: True,
}
"""Whether a filter does the same to all requests that are alike, and nothing to responses."""


def is_steady(filters: tuple[HttpFilter, ...], match: RouteMatch) -> bool:
    """Say whether the filters do the same to all requests that are alike, whenever they come."""
    for one in filters:
        override = match.override(one.name)
        config = one.config if override is None or override.config is None else override.config
        if type(one.config) in _DECODERS:
            steady = _STEADY.get(type(config))
            if steady is None or not steady(config):
                return False
    return True


def decode(filters: tuple[HttpFilter, ...], passing: Passing) -> Verdict | None:
    """Pass the filters from where the request stands; None: it has reached the router."""
    while passing.at < len(filters):
        one = filters[passing.at]
        decoder = _DECODERS.get(type(one.config))
        if decoder is not None and _is_on(one, passing):
            passing.field, passing.name = one.field, one.name
            verdict = decoder(one.config, passing)
            if verdict is not None:
                return verdict
        passing.at += 1
    return None


def encode(filters: tuple[HttpFilter, ...], passing: Passing, response: Response) -> Response:
    """Pass a response back through all filters, those included that the request never met."""
    for at in range(len(filters) - 1, -1, -1):
        one = filters[at]
        encoder = _ENCODERS.get(type(one.config))
        if encoder is not None and _is_on(one, passing):
            passing.at, passing.field, passing.name = at, one.field, one.name
            response = encoder(one.config, passing, response)
    return response


def _is_on(one: HttpFilter, passing: Passing) -> bool:
    """Say whether a filter takes part, and lay out what the route says about it."""
    match = passing.match
    override = match.override(one.name) if isinstance(match, RouteMatch) else None
    passing.own = override.config if override is not None else None
    return not (one.disabled if override is None else override.disabled)
