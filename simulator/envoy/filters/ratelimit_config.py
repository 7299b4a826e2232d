"""Which service says how many requests may pass, as configured.

Models    envoy.extensions.filters.http.ratelimit.v3.{RateLimit, RateLimitPerRoute}
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from simulator.envoy.filters.fault_config import Fraction
from simulator.envoy.mutation import Mutations
from simulator.envoy.rate_limit import RateLimit
from simulator.observe.explain import FieldRef


class VhRateLimits(StrEnum):
    """When the limits of the virtual host count, too."""

    OVERRIDE = "OVERRIDE"
    """Where the route has none."""
    INCLUDE = "INCLUDE"
    IGNORE = "IGNORE"


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitConfig:
    """envoy.extensions.filters.http.ratelimit.v3.RateLimit."""

    field: FieldRef
    domain: str
    stage: int
    request_type: str
    """`internal`, `external` or `both`."""
    cluster: str
    timeout_ns: int
    deny: Fraction
    """How many requests are refused where the service fails."""
    status: int
    status_on_error: int
    enabled: Fraction
    enforced: Fraction
    tells: bool
    """Whether clients see `x-envoy-ratelimited`."""
    resource_exhausted: bool
    response_headers: Mutations
    rate_limits: tuple[RateLimit, ...]
    """Where given, those of routes mean nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitPerRoute:
    """envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute."""

    domain: str
    vh_rate_limits: VhRateLimits
    rate_limits: tuple[RateLimit, ...]
    """Where given, all others mean nothing."""
