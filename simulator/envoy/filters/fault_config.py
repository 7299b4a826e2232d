"""Which delays and aborts a fault filter injects, as configured.

Models    envoy.extensions.filters.http.fault.v3.HTTPFault
Follows   envoy/source/extensions/filters/http/fault/fault_filter.cc
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.envoy.match import HeaderMatcher
from simulator.observe.explain import FieldRef

TYPE = "envoy.filters.http.fault"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fraction:
    """envoy.type.v3.FractionalPercent."""

    numerator: int
    denominator: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """envoy.extensions.filters.common.fault.v3.FaultDelay."""

    field: FieldRef
    fixed_ns: int
    by_header: bool
    """`header_delay`: the request's `x-envoy-fault-delay-request` tells the milliseconds."""
    fraction: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Abort:
    """envoy.extensions.filters.http.fault.v3.FaultAbort."""

    field: FieldRef
    http_status: int | None
    grpc_status: int | None
    by_header: bool
    """`header_abort`: `x-envoy-fault-abort-request` (or `-grpc-request`) tells the status."""
    fraction: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultConfig:
    """envoy.extensions.filters.http.fault.v3.HTTPFault."""

    field: FieldRef
    delay: Delay | None = None
    abort: Abort | None = None
    upstream_cluster: str = ""
    """Where given, only requests to this cluster are affected."""
    headers: tuple[HeaderMatcher, ...] = ()
    """All must match."""
    max_active_faults: int | None = None
