"""Measure a thing against its peer, in turns and in the same minute.

A machine's speed changes from minute to minute; the ratio of two neighbours in time
does so much less. The value is the median of the ratios of several rounds.
"""

from __future__ import annotations

import gc
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from time import process_time

from labs.bench import chain, meshes, mm1, real, route, size, translate

_ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two ways to do the same work; each does `count` units, and says how many events it took.

    Where chance decides how many units there are, it is close to `count`.
    """

    subject: Callable[[int], int]
    baseline: Callable[[int], int]
    count: int
    baseline_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """Something measured without a peer, at a scale of 1 or less; it says the value."""

    measure: Callable[[float], float]
    rounds: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The smallest and the largest value of the rounds."""

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
    """At least, or, for what should be small, at most."""
    ok: bool
    spread: Spread
    baseline: Baseline | None = None
    """Absent where there is no peer, as are the next two."""
    rate: float | None = None
    """Units of work a second of CPU time."""
    events_per_unit: float | None = None
    says: str = ""


class UnknownBenchmarkError(LookupError):
    """There is no benchmark of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no benchmark {name!r}; known are {', '.join(names())}")


def _mesh_chain(requests: int) -> int:
    return meshes.chain(requests).run().events


_BENCHMARKS: dict[str, Pair | Alone] = {
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
    "engine.mesh-chain": Pair(
        subject=_mesh_chain,
        baseline=chain.processes,
        count=10_000,
        baseline_name="SimPy processes without any proxy",
    ),
    "engine.memory": Alone(measure=size.in_flight),
    "engine.memory-recorded": Alone(measure=size.recorded),
    "engine.scale": Alone(measure=size.seconds),
    "engine.scale-growth": Alone(measure=size.growth),
    "engine.ensemble": Alone(measure=size.ensemble),
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
    "sandbox.start": Alone(measure=real.start),
    "sandbox.push": Alone(measure=real.push),
}


def names() -> tuple[str, ...]:
    """Return the names of all benchmarks."""
    return tuple(_BENCHMARKS)


def run(wanted: Sequence[str] = (), *, rounds: int = _ROUNDS, scale: float = 1) -> list[Result]:
    """Measure the benchmarks of the given names, or all; `scale` makes them smaller.

    Raises UnknownBenchmarkError.
    """
    for name in wanted:
        if name not in _BENCHMARKS:
            raise UnknownBenchmarkError(name)
    return [_measure(name, rounds, scale) for name in wanted or names()]


def _measure(name: str, rounds: int, scale: float) -> Result:
    benchmark = _BENCHMARKS[name]
    if isinstance(benchmark, Alone):
        values = [benchmark.measure(scale) for _ in range(min(rounds, benchmark.rounds))]
        return _result(name, values)
    return _compare(name, benchmark, rounds, max(1, round(benchmark.count * scale)))


def _compare(name: str, pair: Pair, rounds: int, count: int) -> Result:
    baselines, subjects, events = [], [], (0, 0)
    for _ in range(rounds):
        spent, base_events = _time(pair.baseline, count)
        baselines.append(spent)
        spent, events_ = _time(pair.subject, count)
        subjects.append(spent)
        events = base_events, events_
    ratios = [base / ours for base, ours in zip(baselines, subjects, strict=True)]
    return replace(
        _result(name, ratios),
        rate=round(count / median(subjects)),
        events_per_unit=round(events[1] / count, 2),
        baseline=Baseline(
            name=pair.baseline_name,
            rate=round(count / median(baselines)),
            events_per_unit=round(events[0] / count, 2),
        ),
    )


def _result(name: str, values: Sequence[float]) -> Result:
    asked = tomllib.loads(Path(__file__).with_name("targets.toml").read_text("utf-8"))[name]
    value, target = round(median(values), 2), asked["target"]
    return Result(
        name=name,
        value=value,
        unit=asked["unit"],
        target=target,
        ok=value <= target if asked.get("at_most") else value >= target,
        spread=Spread(low=round(min(values), 2), high=round(max(values), 2), rounds=len(values)),
        says=asked["says"],
    )


def _time(work: Callable[[int], int], count: int) -> tuple[float, int]:
    gc.collect()
    start = process_time()
    events = work(count)
    return max(process_time() - start, 1e-9), events
