"""Chance: one stream of random numbers for each component of a run.

A stream depends on the run's seed and the component's name alone. Adding a service,
or one more use of chance, leaves the numbers of all others as they were.
Numbers are made in blocks: a numpy call each would cost ten times as much.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from itertools import chain
from typing import TypeAlias

import numpy as np

from simulator.config.scenario import Latency

_BLOCK = 256
_P99 = 2.3263478740408408
"""The standard normal distribution's 99th percentile."""

Sampler: TypeAlias = Callable[[], int]
"""Each call returns the next duration, in ns."""


def _bits(seed: int, name: str) -> np.random.Philox:
    # Python's own hash() of text differs from process to process.
    key = blake2b(f"{seed}\0{name}".encode(), digest_size=16).digest()
    return np.random.Philox(key=int.from_bytes(key, "little"))


def integers(seed: int, name: str) -> Callable[[], int]:
    """Return a function that draws the next `u64` of a component's stream."""
    bits = _bits(seed, name)

    def blocks() -> Iterator[list[int]]:
        while True:
            yield bits.random_raw(_BLOCK).tolist()

    return chain.from_iterable(blocks()).__next__


def uniforms(seed: int, name: str) -> Callable[[], float]:
    """Return a function that draws the next number of [0, 1) of a component's stream."""
    generator = np.random.Generator(_bits(seed, name))

    def blocks() -> Iterator[list[float]]:
        while True:
            yield generator.random(_BLOCK).tolist()

    return chain.from_iterable(blocks()).__next__


def exponentials(seed: int, name: str, mean_ns: float) -> Sampler:
    """Return a sampler of exponentially distributed durations."""
    generator = np.random.Generator(_bits(seed, name))

    def blocks() -> Iterator[list[int]]:
        while True:
            yield (
                np.rint(generator.standard_exponential(_BLOCK) * mean_ns).astype(np.int64).tolist()
            )

    return chain.from_iterable(blocks()).__next__


def log_normals(seed: int, name: str, median_ns: float, sigma: float) -> Sampler:
    """Return a sampler of log-normally distributed durations."""
    generator = np.random.Generator(_bits(seed, name))

    def blocks() -> Iterator[list[int]]:
        while True:
            block = median_ns * np.exp(sigma * generator.standard_normal(_BLOCK))
            yield np.rint(block).astype(np.int64).tolist()

    return chain.from_iterable(blocks()).__next__


def gammas(seed: int, name: str, mean_ns: float, shape: float) -> Sampler:
    """Return a sampler of gamma distributed durations."""
    generator = np.random.Generator(_bits(seed, name))

    def blocks() -> Iterator[list[int]]:
        while True:
            block = generator.standard_gamma(shape, _BLOCK) * (mean_ns / shape)
            yield np.rint(block).astype(np.int64).tolist()

    return chain.from_iterable(blocks()).__next__


def measured(seed: int, name: str, histogram: Mapping[int, float]) -> Sampler:
    """Return a sampler of a histogram's durations, evenly spread within each of its bars."""
    generator = np.random.Generator(_bits(seed, name))
    ends = np.array([0, *sorted(histogram)], dtype=np.float64)
    weights = np.array([0.0, *(histogram[end] for end in sorted(histogram))])
    reached = np.cumsum(weights) / weights.sum()

    def blocks() -> Iterator[list[int]]:
        while True:
            block = np.interp(generator.random(_BLOCK), reached, ends)
            yield np.rint(block).astype(np.int64).tolist()

    return chain.from_iterable(blocks()).__next__


def sampler(latency: Latency, seed: int, name: str) -> Sampler:
    """Return a sampler of a scenario's latency."""
    if latency.fixed is not None:
        return _constant(latency.fixed)
    if latency.exponential is not None:
        return exponentials(seed, name, latency.exponential)
    if latency.gamma is not None:
        assert latency.shape is not None
        return gammas(seed, name, latency.gamma, latency.shape)
    if latency.histogram is not None:
        return measured(seed, name, latency.histogram)
    assert latency.p50 is not None
    assert latency.p99 is not None
    median_ns = max(latency.p50, 1)
    sigma = math.log(max(latency.p99, median_ns) / median_ns) / _P99
    return log_normals(seed, name, median_ns, sigma)


@lru_cache(maxsize=1024)
def _constant(value: int) -> Sampler:
    return lambda: value


class ProxyChance:
    """The random numbers of one proxy: a stream for each use it has for them."""

    __slots__ = ("_name", "_seed", "_uses", "fresh")

    stream = 0
    """Fractions are decided by a value that each stream has of its own."""

    def __init__(self, seed: int, name: str) -> None:
        self._seed = seed
        self._name = name
        self._uses: dict[str, Callable[[], int]] = {}
        self.fresh = integers(seed, f"{name}/stream")
        """Draws the one value that the next HTTP stream has for its fractions."""

    def next(self, name: str) -> int:
        """Return the next `u64` for a use."""
        use = self._uses.get(name)
        if use is None:
            use = self._uses[name] = integers(self._seed, f"{self._name}/{name}")
        return use()

    def begin(self) -> StreamDraws:
        """Return the random numbers of the proxy's next HTTP stream."""
        return StreamDraws(self.fresh(), self)

    def draws(self, stream: int) -> StreamDraws:
        """Return the random numbers of an HTTP stream that has this value."""
        return StreamDraws(stream, self)


class StreamDraws:
    """The random numbers of one HTTP stream; a `simulator.envoy.draws.Draws`."""

    __slots__ = ("_chance", "stream")

    def __init__(self, stream: int, chance: ProxyChance) -> None:
        self.stream = stream
        self._chance = chance

    def next(self, name: str, /) -> int:
        """Return a fresh `u64` for a use."""
        return self._chance.next(name)
