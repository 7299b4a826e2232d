"""Pass a request through the filters of its chain, and a response back through them.

One table says which function plays which filter; a filter that is not in it lets
everything pass.

Follows   envoy/source/common/http/filter_manager.cc
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from simulator.envoy.filters import fault, fault_config, jwt, jwt_config, rbac, rbac_config
from simulator.envoy.filters.passing import Passing, Verdict
from simulator.envoy.http import HttpFilter
from simulator.envoy.route import RouteMatch

_DECODERS: Mapping[type, Callable[[Any, Passing], Verdict | None]] = {
    fault_config.FaultConfig: fault.decode,
    jwt_config.JwtConfig: jwt.decode,
    rbac_config.RbacConfig: rbac.decode,
}
"""What a filter makes of a request, by the type of its configuration."""


def decode(filters: tuple[HttpFilter, ...], passing: Passing) -> Verdict | None:
    """Pass the filters from where the request stands; None: it has reached the router."""
    while passing.at < len(filters):
        one = filters[passing.at]
        decoder = _DECODERS.get(type(one.config))
        if decoder is not None and _is_on(one, passing):
            passing.field = one.field
            verdict = decoder(one.config, passing)
            if verdict is not None:
                return verdict
        passing.at += 1
    return None


def _is_on(one: HttpFilter, passing: Passing) -> bool:
    """Say whether a filter takes part, and lay out what the route says about it."""
    match = passing.match
    override = match.override(one.name) if isinstance(match, RouteMatch) else None
    passing.own = override.config if override is not None else None
    return not (one.disabled if override is None else override.disabled)
