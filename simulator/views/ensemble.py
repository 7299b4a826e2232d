"""Many runs of one scenario: the mean of each figure, and how sure it is."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

import numpy as np
from rich import box
from rich.table import Table
from scipy.stats import t

from simulator.engine.summary import Figures, Summary
from simulator.scenario import Scenario

SCHEMA = "ensemble.v1"
_LEVEL = 0.95
_FIGURES = ("rate", "success_share", "p50_ns", "p90_ns", "p99_ns")


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean over runs, and the interval that holds the true one with 95 % confidence."""

    mean: float
    low: float | None
    """Absent, as is `high`, where fewer than two runs have the figure."""
    high: float | None
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One client or service."""

    kind: str
    """`client` or `service`"""
    name: str
    figures: dict[str, Estimate]
    """By the name that `run.v1` gives each: `rate`, `success_share`, `p50_ns` …"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """What came of a scenario under several seeds."""

    schema: str = SCHEMA
    title: str
    version: str
    digest: str
    seeds: tuple[int, ...]
    duration_ns: int
    level: float = _LEVEL
    rows: tuple[Row, ...]


def replications(
    scenario: Scenario,
    seeds: Sequence[int],
    until_ns: int | None = None,
    executor: Executor | None = None,
) -> Ensemble:
    """Run once with each seed, in this process or through an executor."""
    work = partial(_summary, scenario, until_ns)
    summaries = tuple(executor.map(work, seeds) if executor else map(work, seeds))
    return Ensemble(
        title=scenario.file.title,
        version=version("meshdojo"),
        digest=scenario.digest,
        seeds=tuple(seeds),
        duration_ns=summaries[0].duration_ns,
        rows=tuple(_rows(summaries)),
    )


def table(ensemble: Ensemble) -> Table:
    """Return the estimates for a rich console, as mean ± half the interval."""
    title = (
        f"{ensemble.title or 'Runs'}: {len(ensemble.seeds)} runs of "
        f"{ensemble.duration_ns / 1e9:g} s, mean ± 95 % confidence"
    )
    shown = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    shown.add_column("", overflow="fold")
    for name in ("rate /s", "success %", "p50 ms", "p90 ms", "p99 ms"):
        shown.add_column(name, justify="right", no_wrap=True)
    for row in ensemble.rows:
        name = row.name.removesuffix(".svc.cluster.local").removesuffix(".default")
        shown.add_row(f"{row.kind} {name}", *(_cell(row, each) for each in _FIGURES))
    return shown


def rows_csv(ensemble: Ensemble) -> str:
    """Return the estimates as CSV, a row for each figure of each client and service."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("kind", "name", "figure", "mean", "low", "high", "runs"))
    for row in ensemble.rows:
        for name, one in row.figures.items():
            writer.writerow((row.kind, row.name, name, one.mean, one.low, one.high, one.runs))
    return out.getvalue()


def _summary(scenario: Scenario, until_ns: int | None, seed: int) -> Summary:
    """Return one run's figures: all that has to travel between processes."""
    return scenario.run(seed, until_ns).summary


def _rows(summaries: Sequence[Summary]) -> Iterator[Row]:
    found: dict[tuple[str, str], list[Figures]] = {}
    for summary in summaries:
        for client in summary.clients:
            found.setdefault(("client", client.name), []).append(client.figures)
    for summary in summaries:
        for service in summary.services:
            found.setdefault(("service", service.host), []).append(service.figures)
    for (kind, name), figures in found.items():
        estimates = {
            each: _estimate(known)
            for each in _FIGURES
            if (known := [v for one in figures if (v := getattr(one, each)) is not None])
        }
        yield Row(kind=kind, name=name, figures=estimates)


def _estimate(values: Sequence[float]) -> Estimate:
    mean = float(np.mean(values))
    if len(values) < 2:
        return Estimate(mean=round(mean, 6), low=None, high=None, runs=len(values))
    error = float(np.std(values, ddof=1)) / len(values) ** 0.5
    half = float(t.ppf((1 + _LEVEL) / 2, len(values) - 1)) * error
    low, high = round(mean - half, 6), round(mean + half, 6)
    return Estimate(mean=round(mean, 6), low=low, high=high, runs=len(values))


def _cell(row: Row, name: str) -> str:
    one = row.figures.get(name)
    if one is None:
        return "-"
    scale = 1e-6 if name.endswith("_ns") else 100 if name == "success_share" else 1
    spread = "" if one.high is None else f" ± {(one.high - one.mean) * scale:.2f}"
    return f"{one.mean * scale:,.2f}{spread}"
