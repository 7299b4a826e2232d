"""What a run's rows say: rates, shares of success, latencies, flags and versions.

A response is a success unless its status is 5xx; no response is a failure, and a
connection that a proxy carried unread is a success. Percentiles
are the smallest latency that so many requests did not exceed (nearest rank).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Rows: TypeAlias = NDArray[Any]

_SECOND_NS = 1_000_000_000
_POINTS = 1000
"""At most so many steps in a course: more than any chart has pixels for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What can be said of any set of requests."""

    requests: int
    rate: float
    """A second."""
    success_share: float | None
    """Absent without requests, as are the latencies."""
    mean_ns: int | None
    p50_ns: int | None
    p90_ns: int | None
    p99_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSummary:
    """One client's view."""

    name: str
    figures: Figures
    statuses: Mapping[str, int]
    """Requests by status; `none` where no response came."""
    flags: Mapping[str, int]
    """Requests by the flags of the first proxy, those without flags left out."""
    versions: Mapping[str, float]
    """Shares of the answered requests, by `WORKLOAD` of the pod that answered."""
    errors: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSummary:
    """One service, as the proxies of its clients see it."""

    host: str
    figures: Figures
    flags: Mapping[str, int]
    versions: Mapping[str, float]
    """Shares of the requests that were sent somewhere, by version (or workload)."""
    attempts: int
    """Requests sent to endpoints, retries included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """Requests from one workload, or client beyond the mesh, to another workload."""

    source: str
    destination: str
    """`DEPLOYMENT.NAMESPACE`"""
    service: str
    """The service's host; empty for a client's own connection."""
    version: str
    figures: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One client's or service's course, step by step; `None` where nothing was sent."""

    kind: str
    """`client` or `service`"""
    name: str
    step_ns: int
    """A second; more where a run is too long for that."""
    rate: tuple[float, ...]
    success_share: tuple[float | None, ...]
    p50_ns: tuple[int | None, ...]
    p99_ns: tuple[int | None, ...]
    shares: Mapping[str, tuple[float | None, ...]]
    """By version, of the requests that were sent somewhere (or answered, for a client)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A whole run, in figures."""

    duration_ns: int
    clients: tuple[ClientSummary, ...]
    services: tuple[ServiceSummary, ...]
    edges: tuple[Edge, ...]


def percentile(durations: Rows, share: float) -> int | None:
    """Return the nearest-rank percentile of durations."""
    if not len(durations):
        return None
    return int(np.percentile(durations, share * 100, method="inverted_cdf"))


def figures(rows: Rows, duration_ns: int) -> Figures:
    """Return the figures of rows that have a status and a duration."""
    count = len(rows)
    durations = rows["duration_ns"]
    return Figures(
        requests=count,
        rate=round(count * _SECOND_NS / duration_ns, 6),
        success_share=success_share(rows),
        mean_ns=int(durations.mean()) if count else None,
        p50_ns=percentile(durations, 0.5),
        p90_ns=percentile(durations, 0.9),
        p99_ns=percentile(durations, 0.99),
    )


def success_share(rows: Rows) -> float | None:
    """Return the share of the rows that succeeded."""
    if not len(rows):
        return None
    status = rows["status"]
    return round(float(((status >= 0) & (status < 500)).mean()), 6)


def shares(labels: Rows, names: list[str]) -> dict[str, float]:
    """Return each label's share, for numbers of `names`; negative ones are left out."""
    known = labels[labels >= 0]
    numbers, counts = np.unique(known, return_counts=True)
    total = len(known)
    return {
        names[number]: round(count / total, 6)
        for number, count in sorted(
            zip(numbers.tolist(), counts.tolist(), strict=True), key=lambda pair: names[pair[0]]
        )
    }


def counts(labels: Rows, names: list[str]) -> dict[str, int]:
    """Return each label's number of rows, empty names and negative numbers left out."""
    numbers, found = np.unique(labels[labels >= 0], return_counts=True)
    pairs = zip(numbers.tolist(), found.tolist(), strict=True)
    return {name: count for name, count in sorted((names[n], c) for n, c in pairs) if name}


def series(
    kind: str,
    name: str,
    rows: Rows,
    starts: Rows,
    labels: Rows,
    names: list[str],
    duration_ns: int,
) -> Series:
    """Return the course of rows that began at `starts` and were served by `labels`."""
    step_ns = _SECOND_NS * -(-duration_ns // (_POINTS * _SECOND_NS))
    steps = -(-duration_ns // step_ns)
    bucket = starts // step_ns
    order = np.argsort(bucket, kind="stable")
    edges = np.searchsorted(bucket[order], np.arange(steps + 1))
    parts = [order[edges[at] : edges[at + 1]] for at in range(steps)]
    lengths = [min(step_ns, duration_ns - at * step_ns) for at in range(steps)]
    per_step = [shares(labels[part], names) for part in parts]
    known = sorted({label for one in per_step for label in one})
    return Series(
        kind=kind,
        name=name,
        step_ns=step_ns,
        rate=tuple(
            round(len(part) * _SECOND_NS / length, 6)
            for part, length in zip(parts, lengths, strict=True)
        ),
        success_share=tuple(success_share(rows[part]) for part in parts),
        p50_ns=tuple(percentile(rows["duration_ns"][part], 0.5) for part in parts),
        p99_ns=tuple(percentile(rows["duration_ns"][part], 0.99) for part in parts),
        shares={
            label: tuple(one.get(label, 0.0) if one else None for one in per_step)
            for label in known
        },
    )
