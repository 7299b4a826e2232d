"""Decide what a workload answers next, and how long it takes: the scenario's behaviour.

The same rules as `simulator.engine.workload`, with chance drawn here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from simulator.config.scenario import Answer, Behaviour, Latency

_USUAL = Answer(status=200)
_P99 = 2.3263478740408408
"""The standard normal's 99th percentile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One answer to give."""

    status: int
    latency_ns: int


class Answers:
    """The answers of one replica."""

    def __init__(self, behaviour: Behaviour, chance: Random) -> None:
        self._behaviour = behaviour
        self._chance = chance
        self._given = 0

    def next(self) -> Turn:
        """Return the next answer: the script's, a disturbance, or the usual 200."""
        behaviour = self._behaviour
        if behaviour.script:
            answer = behaviour.script[self._given % len(behaviour.script)]
            self._given += 1
            return self._turn(answer)
        for disturbance in behaviour.disturbances:
            if self._chance.random() < disturbance.share:
                return self._turn(disturbance)
        return self._turn(_USUAL)

    def _turn(self, answer: Answer) -> Turn:
        latency = answer.latency or self._behaviour.latency
        return Turn(status=answer.status, latency_ns=sample(latency, self._chance))


def sample(latency: Latency, chance: Random) -> int:
    """Return one latency in ns."""
    if latency.fixed is not None:
        return latency.fixed
    if latency.exponential is not None:
        return round(chance.expovariate(1.0) * latency.exponential)
    if latency.gamma is not None:
        assert latency.shape is not None
        return round(chance.gammavariate(latency.shape, latency.gamma / latency.shape))
    if latency.histogram is not None:
        ends = sorted(latency.histogram)
        (at,) = chance.choices(range(len(ends)), [latency.histogram[end] for end in ends])
        return round(chance.uniform(ends[at - 1] if at else 0, ends[at]))
    assert latency.p50 is not None
    assert latency.p99 is not None
    if not latency.p50:
        return 0
    sigma = math.log(latency.p99 / latency.p50) / _P99
    return round(latency.p50 * math.exp(sigma * chance.gauss(0.0, 1.0)))
