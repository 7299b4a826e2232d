"""The published benchmarks: `run` measures them and says how they stand to their targets."""

from __future__ import annotations

from labs.bench.measure import Result, UnknownBenchmarkError, names, run

__all__ = ["Result", "UnknownBenchmarkError", "names", "run"]
