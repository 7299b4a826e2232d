"""Take turns by weight: the entry with the earliest deadline comes next.

An entry that is taken gets a new deadline, one over its weight later, so that it comes
as often as its weight says. Ties are served in the order of insertion.

Follows   envoy/source/common/upstream/edf_scheduler.h
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heapify, heapreplace
from typing import Generic, TypeVar

Entry = TypeVar("Entry")

_PICKS_LIMIT = 429_496_729
_EPSILON = 1e-13
"""Added to each weight at the start, so that weights that are multiples of each other do
not make deadlines that differ by a rounding error alone."""


class Scheduler(Generic[Entry]):
    """Entries waiting for their deadlines."""

    def __init__(
        self, entries: Sequence[Entry], weight: Callable[[Entry], float], picks: int
    ) -> None:
        """Start as if `picks` picks had been made.

        Proxies that start together would else all begin with the heaviest entry.
        """
        self._now = 0.0
        self._inserted = len(entries)
        self._queue: list[tuple[float, int, Entry]] = []
        if not entries:
            return
        picks %= _PICKS_LIMIT
        weights = [weight(entry) + _EPSILON for entry in entries]
        total = sum(weights)
        made = 0
        for at, (entry, own) in enumerate(zip(entries, weights, strict=True)):
            done = int(own * picks / total)
            if done > 0 and done / own >= picks / total:
                done -= 1
            self._queue.append(((done + 1) / own, at, entry))
            self._now = max(self._now, done / own)
            made += done
        heapify(self._queue)
        for _ in range(picks - made):
            self.pick(weight)

    def pick(self, weight: Callable[[Entry], float]) -> Entry | None:
        """Return the next entry and give it a new deadline; `None` if there are none."""
        if not self._queue:
            return None
        self._now, _, entry = self._queue[0]
        heapreplace(self._queue, (self._now + 1.0 / weight(entry), self._inserted, entry))
        self._inserted += 1
        return entry

    def __len__(self) -> int:
        return len(self._queue)
