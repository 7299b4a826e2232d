"""How much room and time a mesh takes: bytes a request, and what grows with its services."""

from __future__ import annotations

import gc
import os
import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from time import perf_counter, process_time

import numpy as np

from labs.bench import meshes
from simulator.scenario import Run, Scenario

_SECOND_NS = 1_000_000_000
_SERVICES = 1000
_REPLICAS = 5
_REQUESTS = 100_000
_RUNS = 100


class _Marks:
    """What something is at certain shares of a run."""

    def __init__(self, *shares: float) -> None:
        self.bytes: list[int] = []
        self.spent: list[float] = []
        self._shares = list(shares)

    def __call__(self, share: float) -> None:
        if self._shares and share >= self._shares[0]:
            self._shares.pop(0)
            self.spent.append(process_time())
            if tracemalloc.is_tracing():
                gc.collect()
                self.bytes.append(tracemalloc.get_traced_memory()[0])


def in_flight(scale: float) -> float:
    """Return the bytes of a request that waits three hops deep."""
    return _bytes_a_request(meshes.services(3, 4, max(40, round(4000 * scale)), last="60m"))


def recorded(scale: float) -> float:
    """Return the bytes that stay of a request that passed three hops."""
    return _bytes_a_request(meshes.services(3, 4, max(40, round(20_000 * scale))))


def _bytes_a_request(scenario: Scenario) -> float:
    scenario.run(until_ns=scenario.file.duration // 20)  # what is computed once is not counted
    marks = _Marks(0.5, 1.0)
    tracemalloc.start()
    try:
        run = scenario.run(progress=marks)
    finally:
        tracemalloc.stop()
    begun = run.requests["start_ns"]
    within = (begun >= run.duration_ns // 2) & (begun < run.duration_ns)
    return (marks.bytes[1] - marks.bytes[0]) / int(within.sum())


def seconds(scale: float) -> float:
    """Return the CPU seconds of 100,000 requests in 1,000 services with 5,000 proxies."""
    count = max(10, round(_SERVICES * scale))
    began = process_time()
    run = meshes.services(count, _REPLICAS, round(_REQUESTS * scale)).run()
    assert len(run.requests)
    return process_time() - began


def growth(scale: float) -> float:
    """Return the cost of a request in 1,000 services against 10, once all proxies are at work."""
    requests = max(100, round(_REQUESTS * scale / 4))
    few = _cost(meshes.services(10, _REPLICAS, requests))
    return _cost(meshes.services(max(10, round(_SERVICES * scale)), _REPLICAS, requests)) / few


def _cost(scenario: Scenario) -> float:
    marks = _Marks(0.5, 1.0)
    run = scenario.run(progress=marks)
    begun = run.requests["start_ns"]
    half = int((begun >= run.duration_ns // 2).sum())
    return (marks.spent[1] - marks.spent[0]) / half


def ensemble(scale: float) -> float:
    """Return how much sooner two processes end a hundred short runs than one does."""
    runs = max(4, round(_RUNS * scale))
    work = partial(_short, meshes.services(3, 2, 200))
    return _wall(work, runs, 1) / _wall(work, runs, min(2, os.cpu_count() or 1))


def _wall(work: partial[float], runs: int, processes: int) -> float:
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        list(pool.map(work, range(processes)))  # the processes have started and know the mesh
        began = perf_counter()
        found = list(pool.map(work, range(runs), chunksize=-(-runs // (4 * processes))))
        assert np.isfinite(found).all()
        return perf_counter() - began


def _short(scenario: Scenario, seed: int) -> float:
    run: Run = scenario.run(seed)
    return float(run.requests["duration_ns"].mean())
