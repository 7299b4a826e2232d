"""When a route allows another attempt, as configured.

Models    envoy.config.route.v3.RetryPolicy
Follows   envoy/source/common/router/{retry_policy_impl,reset_header_parser}.cc
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.envoy.header_map import Headers, first
from simulator.envoy.match import HeaderMatcher
from simulator.observe.explain import FieldRef

DEFAULT_BASE_INTERVAL_NS = 25_000_000
DEFAULT_RESET_INTERVAL_NS = 300_000_000_000
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetHeader:
    """A response header that says when to come again."""

    name: str
    """Lower-case."""
    timestamp: bool
    """Whether it gives the seconds since 1970, not those that are to pass."""

    def wait_ms(self, headers: Headers, wall_ns: int) -> int | None:
        """Return how long to wait; None where the header does not say."""
        value = (first(headers, self.name) or "").strip()
        if not value.isdigit():
            return None
        seconds = int(value)
        if self.timestamp:
            seconds -= wall_ns // _SECOND
        return seconds * 1000 if seconds >= 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """A route's retry policy; names and meaning are Envoy's."""

    field: FieldRef
    retry_on: tuple[str, ...] = ()
    """The conditions as listed, spaces removed: `5xx`, `connect-failure`, `cancelled` …"""
    num_retries: int = 1
    """Attempts beyond the first."""
    per_try_timeout_ns: int = 0
    """0: none of its own."""
    per_try_idle_timeout_ns: int = 0
    retriable_status_codes: tuple[int, ...] = ()
    retriable_headers: tuple[HeaderMatcher, ...] = ()
    """Matched on the response."""
    retriable_request_headers: tuple[HeaderMatcher, ...] = ()
    """Where given, one must match the request or it is never retried."""
    base_interval_ns: int = DEFAULT_BASE_INTERVAL_NS
    max_interval_ns: int = 10 * DEFAULT_BASE_INTERVAL_NS
    reset_headers: tuple[ResetHeader, ...] = ()
    """By which an endpoint may say when to come again; the first that does counts."""
    max_reset_interval_ns: int = DEFAULT_RESET_INTERVAL_NS
    """An endpoint that asks for longer is not heeded."""
    retry_host_predicate: tuple[str, ...] = ()
    """Extension names, such as `envoy.retry_host_predicates.previous_hosts`."""
    retry_priority: str = ""
    retry_priority_update_frequency: int = 0
    host_selection_retry_max_attempts: int = 1
