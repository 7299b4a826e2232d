"""Access logs: which requests and connections they tell of, and how.

Models    envoy.config.accesslog.v3.AccessLog, envoy.extensions.access_loggers.{file,stream}.v3
Follows   envoy/source/common/access_log/access_log_impl.cc,
          source/common/formatter/substitution_formatter.cc
Leaves    logs over gRPC, logs of requests under way (docs/fidelity.md#access-log)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from simulator.envoy.format_commands import Facts
from simulator.envoy.formatter import Substitution
from simulator.envoy.header_map import Headers
from simulator.envoy.log_filter import LogFilter
from simulator.observe.explain import FieldRef, Node, Outcome
from simulator.observe.observation import LogLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What the proxy's access log would say of a stream."""

    route: str | None
    virtual_host: str | None
    cluster: str | None
    endpoint: str | None
    """`ip:port` of the last attempt's endpoint."""
    attempts: int
    flags: tuple[str, ...]
    """In the order in which they were set."""
    details: str
    status: int | None
    """Absent when the client was gone before there was one."""
    request_headers_upstream: Headers | None
    """As last sent, the pseudo-headers first; absent if nothing was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessLog:
    """One access log of a connection manager, a TCP proxy or a listener."""

    sink: str
    """The file, `/dev/stdout` or `/dev/stderr`."""
    form: Substitution
    filter: LogFilter | None = None
    field: FieldRef

    def line(self, facts: Facts) -> str:
        """Return what is written, its end of line included."""
        return self.form.render(facts)


def written(entries: Iterable[tuple[AccessLog, Facts]]) -> tuple[LogLine, ...]:
    """Return what a proxy's logs say of what has ended."""
    return tuple(
        LogLine(sink=one.sink, text=one.line(facts))
        for one, facts in entries
        if one.filter is None or one.filter.passes(facts)
    )


def node(log: AccessLog, facts: Facts) -> Node:
    """Return what became of a line, for a learner."""
    passes = log.filter is None or log.filter.passes(facts)
    return Node(
        what="access log",
        name=log.sink,
        outcome=Outcome.NOTE if passes else Outcome.REJECTED,
        reason=log.line(facts).rstrip("\n") if passes else "the log's filter keeps it out",
        field=log.field,
    )
