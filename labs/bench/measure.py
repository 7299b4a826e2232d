"""Measure a thing against its peer, in turns and in the same minute.

A machine's speed changes from minute to minute; the ratio of two neighbours in time
does so much less. The value is the median of the ratios of several rounds.
"""

from __future__ import annotations

import gc
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import process_time

from labs.bench import chain, mm1, route, translate

_ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two ways to do the same work; each does `count` units, and says how many events it took."""

    subject: Callable[[int], int]
    baseline: Callable[[int], int]
    count: int
    baseline_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The smallest and the largest ratio of the rounds."""

    low: float
    high: float
    rounds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What the value is measured against, in units of work a second of CPU time."""

    name: str
    rate: float
    events_per_unit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a benchmark stands."""

    name: str
    value: float
    unit: str
    target: float
    ok: bool
    rate: float
    """Units of work a second of CPU time."""
    events_per_unit: float
    baseline: Baseline
    spread: Spread
    says: str


class UnknownBenchmarkError(LookupError):
    """There is no benchmark of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no benchmark {name!r}; known are {', '.join(names())}")


_PAIRS = {
    "engine.mm1": Pair(
        subject=mm1.callbacks,
        baseline=mm1.processes,
        count=50_000,
        baseline_name="SimPy processes and a Resource",
    ),
    "engine.chain": Pair(
        subject=chain.callbacks,
        baseline=chain.processes,
        count=5_000,
        baseline_name="SimPy processes, Resources and Conditions",
    ),
    "envoy.route": Pair(
        subject=route.again,
        baseline=route.events,
        count=50_000,
        baseline_name="one event put into a heap and taken out",
    ),
    "envoy.route-first": Pair(
        subject=route.first,
        baseline=route.events,
        count=50_000,
        baseline_name="one event put into a heap and taken out",
    ),
    "istiod.translate": Pair(
        subject=translate.alike,
        baseline=translate.whole,
        count=1_000,
        baseline_name="the first sidecar, in under 3 s (so many services a second of it)",
    ),
}


def names() -> tuple[str, ...]:
    """Return the names of all benchmarks."""
    return tuple(_PAIRS)


def run(wanted: Sequence[str] = (), *, rounds: int = _ROUNDS, scale: float = 1) -> list[Result]:
    """Measure the benchmarks of the given names, or all; `scale` makes them smaller.

    Raises UnknownBenchmarkError.
    """
    for name in wanted:
        if name not in _PAIRS:
            raise UnknownBenchmarkError(name)
    return [_measure(name, rounds, scale) for name in wanted or names()]


def _measure(name: str, rounds: int, scale: float) -> Result:
    pair = _PAIRS[name]
    count = max(1, round(pair.count * scale))
    baselines, subjects, events = [], [], (0, 0)
    for _ in range(rounds):
        spent, base_events = _time(pair.baseline, count)
        baselines.append(spent)
        spent, events_ = _time(pair.subject, count)
        subjects.append(spent)
        events = base_events, events_
    ratios = [base / ours for base, ours in zip(baselines, subjects, strict=True)]
    target = tomllib.loads(Path(__file__).with_name("targets.toml").read_text("utf-8"))[name]
    value = round(median(ratios), 2)
    return Result(
        name=name,
        value=value,
        unit=target["unit"],
        target=target["target"],
        ok=value >= target["target"],
        rate=round(count / median(subjects)),
        events_per_unit=round(events[1] / count, 2),
        baseline=Baseline(
            name=pair.baseline_name,
            rate=round(count / median(baselines)),
            events_per_unit=round(events[0] / count, 2),
        ),
        spread=Spread(low=round(min(ratios), 2), high=round(max(ratios), 2), rounds=rounds),
        says=target["says"],
    )


def _time(work: Callable[[int], int], count: int) -> tuple[float, int]:
    gc.collect()
    start = process_time()
    events = work(count)
    return max(process_time() - start, 1e-9), events
