"""How long istiod works: it grows with the configuration, and with the proxies.

The times are of one core. They are set after istiod's own benchmarks: a snapshot of a
mesh of a thousand gateway hosts takes 4 ms to build, a push of next to nothing 0.85 ms,
and 1,000 route resources 43 ms. Most resources of a push come from a cache: a quarter of
that time is reckoned for each.

Follows   istio pull request 25294 (BenchmarkInitPushContext, BenchmarkRouteGeneration),
          pilot/pkg/model/typed_xds_cache.go
"""

from __future__ import annotations

_MICROSECOND_NS = 1_000
_SNAPSHOT_NS = 300 * _MICROSECOND_NS
_OBJECT_NS = 4 * _MICROSECOND_NS
_PUSH_NS = 850 * _MICROSECOND_NS
_RESOURCE_NS = 10 * _MICROSECOND_NS


def snapshot_ns(objects: int) -> int:
    """Return how long it takes to build a snapshot of a mesh of so many objects."""
    return _SNAPSHOT_NS + _OBJECT_NS * objects


def push_ns(resources: int) -> int:
    """Return how long it takes to write so many resources for one proxy."""
    return _PUSH_NS + _RESOURCE_NS * resources


class Cores:
    """The cores of a machine: a piece of work begins when one of them is free."""

    def __init__(self, number: int) -> None:
        self._free_ns = [0] * number

    def end_ns(self, now: int, work_ns: int) -> int:
        """Return when work that is given at `now` will be done."""
        at = min(range(len(self._free_ns)), key=self._free_ns.__getitem__)
        self._free_ns[at] = max(now, self._free_ns[at]) + work_ns
        return self._free_ns[at]
