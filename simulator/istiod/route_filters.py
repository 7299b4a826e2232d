"""Write what a route tells its HTTP filters: faults to inject, CORS.

Models    envoy.extensions.filters.http.fault.v3.HTTPFault, …cors.v3.CorsPolicy
Follows   istio pilot/pkg/networking/core/route/route.go (TranslateFault, TranslateCORSPolicy)
"""

from __future__ import annotations

from typing import Any

from simulator.config.istio import CorsPolicy, HTTPFaultInjection, HTTPRoute, Percent
from simulator.config.objects import Object
from simulator.envoy_api import message, pack
from simulator.istiod.match import string_match
from simulator.istiod.part import SECOND_NS, Part, duration, wrapped

FAULT = "envoy.filters.http.fault"
CORS = "envoy.filters.http.cors"

_GRPC_STATUS = {name: number for number, name in enumerate((
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
    "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",
    "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
))}  # fmt: skip


def apply(part: Part, route: HTTPRoute, source: Object, at: str) -> None:
    """Set the route's `typed_per_filter_config`."""
    configs: dict[str, Any] = {}
    if route.fault is not None and (value := fault(route.fault)):
        configs[FAULT] = pack(message(f"{_package(FAULT)}.HTTPFault")(**value))
        part.note("typed_per_filter_config", source, f"{at}.fault")
        part.note(f"typed_per_filter_config.{FAULT}", source, f"{at}.fault")
    if route.cors_policy is not None:
        value = _cors(route.cors_policy)
        configs[CORS] = pack(message(f"{_package(CORS)}.CorsPolicy")(**value))
        part.note(f"typed_per_filter_config.{CORS}", source, f"{at}.corsPolicy")
    if configs:
        part.value["typed_per_filter_config"] = configs


def _package(name: str) -> str:
    return f"envoy.extensions.filters.http.{name.rpartition('.')[2]}.v3"


def millionths(percent: Percent) -> dict[str, Any]:
    """Return a percentage as Envoy draws it; what is below a millionth is cut off."""
    return {"numerator": int(percent.value * 10_000), "denominator": "MILLION"}


def hundredths(percent: int) -> dict[str, Any]:
    """Return a whole percentage as Envoy draws it."""
    return {"numerator": percent, "denominator": "HUNDRED"}


def fault(given: HTTPFaultInjection) -> dict[str, Any]:
    """Return the delay and the abort of a fault, as HTTPFault has them."""
    value: dict[str, Any] = {}
    delay, abort = given.delay, given.abort
    if delay is not None and delay.fixed_delay_ns is not None:
        share = millionths(delay.percentage) if delay.percentage else hundredths(delay.percent or 0)
        value["delay"] = {"percentage": share, "fixed_delay": duration(delay.fixed_delay_ns)}
    if abort is not None:
        kind: dict[str, Any] = {}
        if abort.http_status is not None:
            kind = {"http_status": abort.http_status}
        elif abort.grpc_status is not None:
            kind = {"grpc_status": _GRPC_STATUS.get(abort.grpc_status, 0)}
        if kind:
            share = {"percentage": millionths(abort.percentage)} if abort.percentage else {}
            value["abort"] = {**kind, **share}
    return value


def _cors(cors: CorsPolicy) -> dict[str, Any]:
    if cors.allow_origins:
        origins = [string_match(each) for each in cors.allow_origins]
    else:
        origins = [{"exact": each} for each in cors.allow_origin or ()]
    value: dict[str, Any] = {
        "forward_not_matching_preflights": wrapped(cors.unmatched_preflights != "IGNORE"),
        "allow_origin_string_match": origins,
        "filter_enabled": {"default_value": hundredths(100)},
        "allow_headers": ",".join(cors.allow_headers or ()),
        "allow_methods": ",".join(cors.allow_methods or ()),
        "expose_headers": ",".join(cors.expose_headers or ()),
    }
    if cors.allow_credentials is not None:
        value["allow_credentials"] = wrapped(cors.allow_credentials)
    if cors.max_age_ns is not None:
        value["max_age"] = str(cors.max_age_ns // SECOND_NS)
    return value
