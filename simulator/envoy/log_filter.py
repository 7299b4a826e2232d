"""Which of all requests an access log tells of.

Models    envoy.config.accesslog.v3.AccessLogFilter
Follows   envoy/source/common/access_log/access_log_impl.cc
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from simulator.envoy import cel, cel_parse
from simulator.envoy.format_commands import Facts
from simulator.envoy.format_time import span
from simulator.envoy.grpc import UNKNOWN, status_of
from simulator.envoy.match import HeaderMatcher, Subject
from simulator.envoy.metadata_match import ABSENT, MetadataMatcher
from simulator.envoy.request_id import number


class LogFilter(Protocol):
    """Says what is logged."""

    def passes(self, facts: Facts) -> bool:
        """Say whether a line is written."""
        ...


@dataclass(frozen=True, slots=True)
class Every:
    """`and_filter`, or with `any_one`, `or_filter`."""

    filters: tuple[LogFilter, ...]
    any_one: bool = False

    def passes(self, facts: Facts) -> bool:
        """Say whether all pass, or one of them."""
        passing = (one.passes(facts) for one in self.filters)
        return any(passing) if self.any_one else all(passing)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`status_code_filter` and `duration_filter`."""

    value_of: Callable[[Facts], int | None]
    compare: Callable[[int, int], bool]
    value: int

    def passes(self, facts: Facts) -> bool:
        """Say whether the number compares as asked; what is not there does not."""
        found = self.value_of(facts)
        return found is not None and self.compare(found, self.value)


def status(facts: Facts) -> int:
    """Return the response's status; 0 where there is none."""
    return facts.status or 0


def duration_ms(facts: Facts) -> int | None:
    """Return how long it took."""
    return span(facts.end.started_ns, facts.end.ended_ns) if facts.end is not None else None


@dataclass(frozen=True, slots=True)
class NotHealthCheck:
    """`not_health_check_filter`."""

    def passes(self, facts: Facts) -> bool:
        """Say whether it was no health check."""
        return not facts.info.health_check


@dataclass(frozen=True, slots=True)
class Traceable:
    """`traceable_filter`."""

    def passes(self, facts: Facts) -> bool:
        """Say whether a service, not chance, had the request traced."""
        return facts.info.trace_forced


@dataclass(frozen=True, slots=True)
class Sampled:
    """`runtime_filter`: a share of all requests, the same ones at every proxy."""

    numerator: int
    denominator: int

    def passes(self, facts: Facts) -> bool:
        """Say whether the request's id falls into the share."""
        found = number(facts.request.first("x-request-id") or "")
        return (found or 0) % self.denominator < self.numerator


@dataclass(frozen=True, slots=True)
class Headers:
    """`header_filter`."""

    matcher: HeaderMatcher

    def passes(self, facts: Facts) -> bool:
        """Say whether the request's header is as asked."""
        return self.matcher.matches(facts.request.values(self.matcher.name))


@dataclass(frozen=True, slots=True)
class Flags:
    """`response_flag_filter`."""

    flags: frozenset[str]
    """Empty: any flag will do."""

    def passes(self, facts: Facts) -> bool:
        """Say whether one of the flags is set."""
        found = facts.end.flags if facts.end is not None else ()
        return any(flag in self.flags for flag in found) if self.flags else bool(found)


@dataclass(frozen=True, slots=True)
class GrpcStatus:
    """`grpc_status_filter`."""

    statuses: frozenset[int]
    exclude: bool

    def passes(self, facts: Facts) -> bool:
        """Say whether the response's gRPC status is among them, or is not."""
        found = status_of(facts.response_headers, facts.status)
        return ((UNKNOWN if found is None else found) in self.statuses) != self.exclude


@dataclass(frozen=True, slots=True)
class Metadata:
    """`metadata_filter`."""

    matcher: MetadataMatcher
    if_not_found: bool

    def passes(self, facts: Facts) -> bool:
        """Say whether the dynamic metadata are as asked."""
        subject = Subject(facts.request, 0, facts.info)
        if self.matcher.find(subject) is ABSENT:
            return self.if_not_found
        return self.matcher.holds(subject)


@dataclass(frozen=True, slots=True)
class Expression:
    """`extension_filter` with a CEL expression."""

    tree: cel_parse.Expr

    def passes(self, facts: Facts) -> bool:
        """Say whether the expression is true."""
        return cel.holds(self.tree, facts)


@dataclass(frozen=True, slots=True)
class LogType:
    """`log_type_filter`."""

    types: frozenset[str]
    exclude: bool

    def passes(self, facts: Facts) -> bool:
        """Say whether the line is of one of the types, or of none of them."""
        found = facts.end.log_type if facts.end is not None else "NotSet"
        return (found in self.types) != self.exclude
