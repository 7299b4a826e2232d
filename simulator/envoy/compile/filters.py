"""Compile HTTP filters, of a chain and per route.

Models    envoy.extensions.filters.http.*, envoy.config.route.v3.FilterConfig
Follows   envoy/source/common/router/per_filter_config.cc
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from simulator.envoy.compile import small_filters
from simulator.envoy.compile.ext_authz import ext_authz, ext_authz_per_route
from simulator.envoy.compile.fields import fraction, nanoseconds
from simulator.envoy.compile.jwt import jwt, jwt_per_route
from simulator.envoy.compile.matchers import header_matcher
from simulator.envoy.compile.rate_limits import ratelimit, ratelimit_per_route
from simulator.envoy.compile.rbac import rbac, rbac_per_route
from simulator.envoy.compile.stateful_session import (
    stateful_session,
    stateful_session_per_route,
)
from simulator.envoy.filters.fault_config import Abort, Delay, FaultConfig, Fraction
from simulator.envoy.filters.filter_state import FilterStateConfig, Value
from simulator.envoy.filters.router_config import RouterConfig
from simulator.envoy.rejected import Scope
from simulator.envoy.route_table import PerFilter
from simulator.envoy_api import unpack

_WRAPPER = "envoy.config.route.v3.FilterConfig"
_FILTERS = "envoy.extensions.filters.http."
_OPAQUE = (
    "udpa.type.v1.TypedStruct",
    "xds.type.v3.TypedStruct",
    "envoy.extensions.common.matching.v3.ExtensionWithMatcher",
)
"""Kinds that hold the configuration of a filter of any kind."""


def _fraction(message: Any, scope: Scope) -> Fraction:  # noqa: ANN401 - protobuf
    numerator, denominator = fraction(message.percentage, scope.at("percentage"))
    return Fraction(numerator=numerator, denominator=denominator)


def _delay(message: Any, scope: Scope) -> Delay:  # noqa: ANN401 - protobuf
    which = message.WhichOneof("fault_delay_secifier")
    if which is None:
        raise scope.reject("FaultDelayValidationError.FaultDelaySecifier: value is required")
    return Delay(
        field=scope.ref,
        fixed_ns=nanoseconds(message.fixed_delay) if which == "fixed_delay" else 0,
        by_header=which == "header_delay",
        fraction=_fraction(message, scope),
    )


def _abort(message: Any, scope: Scope) -> Abort:  # noqa: ANN401 - protobuf
    which = message.WhichOneof("error_type")
    if which is None:
        raise scope.reject("FaultAbortValidationError.ErrorType: value is required")
    if which == "http_status" and not 200 <= message.http_status < 600:
        raise scope.reject(
            "FaultAbortValidationError.HttpStatus: value must be inside range [200, 600)"
        )
    return Abort(
        field=scope.ref,
        http_status=int(message.http_status) if which == "http_status" else None,
        grpc_status=int(message.grpc_status) if which == "grpc_status" else None,
        by_header=which == "header_abort",
        fraction=_fraction(message, scope),
    )


def fault(message: Any, scope: Scope) -> FaultConfig:  # noqa: ANN401 - protobuf
    """Compile an HTTPFault."""
    scope.only(message, "delay abort upstream_cluster headers max_active_faults")
    return FaultConfig(
        field=scope.ref,
        delay=_delay(message.delay, scope.at("delay")) if message.HasField("delay") else None,
        abort=_abort(message.abort, scope.at("abort")) if message.HasField("abort") else None,
        upstream_cluster=message.upstream_cluster,
        headers=tuple(
            header_matcher(one, scope.at("headers", at)) for at, one in enumerate(message.headers)
        ),
        max_active_faults=(
            int(message.max_active_faults.value) if message.HasField("max_active_faults") else None
        ),
    )


def router(message: Any, scope: Scope) -> RouterConfig:  # noqa: ANN401 - protobuf
    """Compile the router's options."""
    scope.only(
        message,
        """dynamic_stats start_child_span suppress_envoy_headers
        respect_expected_rq_timeout""",
    )
    return RouterConfig(
        suppress_envoy_headers=bool(message.suppress_envoy_headers),
        respect_expected_rq_timeout=bool(message.respect_expected_rq_timeout),
    )


_HASHABLE = "envoy.hashable_string"
_CLUSTER_METADATA = re.compile(r"%METADATA\(CLUSTER:([^:%]+):([^:%]+)\)%")


def filter_state(message: Any, scope: Scope) -> FilterStateConfig:  # noqa: ANN401 - protobuf
    """Compile a set_filter_state Config."""
    scope.only(message, "on_request_headers")
    values: list[Value] = []
    for at, one in enumerate(message.on_request_headers):
        inner = scope.at("on_request_headers", at)
        text = one.format_string.text_format_source.inline_string
        found = _CLUSTER_METADATA.fullmatch(text)
        if found is None and "%" in text:
            inner.skip("format_string", "its commands are left out")
            continue
        values.append(
            Value(
                key=one.object_key,
                text="" if found else text,
                cluster_metadata=(found[1], found[2]) if found else None,
                skip_if_empty=bool(one.skip_if_empty),
                hashable=(one.factory_key or one.object_key) == _HASHABLE,
            )
        )
    return FilterStateConfig(values=tuple(values))


_COMPILERS: Mapping[str, Callable[[Any, Scope], Any]] = {
    "envoy.extensions.filters.http.buffer.v3.Buffer": small_filters.buffer,
    "envoy.extensions.filters.http.buffer.v3.BufferPerRoute": small_filters.buffer_per_route,
    "envoy.extensions.filters.http.cors.v3.Cors": small_filters.cors,
    "envoy.extensions.filters.http.cors.v3.CorsPolicy": small_filters.cors_policy,
    "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation": (
        small_filters.header_mutation
    ),
    "envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute": (
        small_filters.header_mutation
    ),
    "envoy.extensions.filters.http.health_check.v3.HealthCheck": small_filters.health_check,
    "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit": (
        small_filters.local_ratelimit
    ),
    "envoy.extensions.filters.http.set_metadata.v3.Config": small_filters.set_metadata,
    "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz": ext_authz,
    "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute": ext_authz_per_route,
    "envoy.extensions.filters.http.fault.v3.HTTPFault": fault,
    "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication": jwt,
    "envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig": jwt_per_route,
    "envoy.extensions.filters.http.ratelimit.v3.RateLimit": ratelimit,
    "envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute": ratelimit_per_route,
    "envoy.extensions.filters.http.rbac.v3.RBAC": rbac,
    "envoy.extensions.filters.http.rbac.v3.RBACPerRoute": rbac_per_route,
    "envoy.extensions.filters.http.router.v3.Router": router,
    "envoy.extensions.filters.http.set_filter_state.v3.Config": filter_state,
    "envoy.extensions.filters.http.stateful_session.v3.StatefulSession": stateful_session,
    "envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute": (
        stateful_session_per_route
    ),
}
"""What is modelled, by configuration type."""

_WITHOUT_EFFECT = frozenset(
    {
        "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig",
        "envoy.extensions.filters.http.alpn.v3.FilterConfig",
    }
)
"""Filters that change nothing a learner can see here: statistics."""


def filter_config(name: str, packed: Any, scope: Scope) -> tuple[str, Any]:  # noqa: ANN401
    """Return the configuration type of a filter and what it compiles to (None: not modelled)."""
    kind = packed.type_url.rpartition("/")[2]
    try:
        message = unpack(packed)
    except KeyError:
        raise unknown(name, kind, scope) from None
    if kind in _COMPILERS:
        return kind, _COMPILERS[kind](message, scope)
    if not kind.startswith(_FILTERS) and kind not in _OPAQUE:
        raise unknown(name, kind, scope)
    if kind not in _WITHOUT_EFFECT:
        scope.skip("", f"the filter {name} ({kind}) lets every request pass unchanged")
    return kind, None


def unknown(name: str, kind: str, scope: Scope) -> Exception:
    """Return Envoy's refusal of an extension that it does not know."""
    return scope.reject(
        f"Didn't find a registered implementation for '{name}' with type URL: '{kind}'"
    )


def per_filter(configs: Any, scope: Scope) -> Mapping[str, PerFilter]:  # noqa: ANN401 - protobuf
    """Compile `typed_per_filter_config` of any level."""
    compiled: dict[str, PerFilter] = {}
    for name in sorted(configs):
        inner = scope.at("typed_per_filter_config", name)
        packed, optional, disabled = configs[name], False, False
        if packed.type_url.endswith("/" + _WRAPPER):
            wrapper = unpack(packed)
            packed, optional, disabled = (
                wrapper.config,
                wrapper.is_optional,
                bool(wrapper.disabled),
            )
            if disabled or not packed.type_url:
                if not disabled:
                    raise inner.reject(
                        f"Empty route/virtual host per filter configuration for {name} filter"
                    )
                compiled[name] = PerFilter(config=None, disabled=True)
                continue
        elif not packed.type_url:
            raise inner.reject(
                f"Empty route/virtual host per filter configuration for {name} filter"
            )
        if optional and not _known(packed):
            continue
        _, config = filter_config(name, packed, inner)
        compiled[name] = PerFilter(config=config, disabled=disabled)
    return compiled


def _known(packed: Any) -> bool:  # noqa: ANN401 - protobuf
    kind = packed.type_url.rpartition("/")[2]
    return kind.startswith(_FILTERS) or kind in _OPAQUE
