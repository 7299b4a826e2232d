"""The options of the router filter.

Models    envoy.extensions.filters.http.router.v3.Router
"""

from __future__ import annotations

from dataclasses import dataclass

TYPE = "envoy.filters.http.router"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterConfig:
    """envoy.extensions.filters.http.router.v3.Router."""

    suppress_envoy_headers: bool = False
    """No `x-envoy-…` headers are added to requests or responses."""
    respect_expected_rq_timeout: bool = False
