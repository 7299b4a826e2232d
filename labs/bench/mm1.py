"""One queue, one server: the smallest model that both engines can run.

Arrivals at 0.8 of the server's rate; customers wait 4 service times on average.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Generator
from typing import Any

import simpy

from simulator.engine.draws import exponentials
from simulator.engine.kernel import Agenda

_SERVICE_NS = 1_000_000
_GAP_NS = 1_250_000
_SEED = 1
_PLENTY = 10**9


def processes(customers: int) -> int:
    """Serve so many customers the way SimPy's manual does; return the number of events."""
    env = simpy.Environment()
    server = simpy.Resource(env, capacity=1)
    chance = random.Random(_SEED)
    waits: list[float] = []

    def customer() -> Generator[Any, Any, None]:
        arrived = env.now
        with server.request() as turn:
            yield turn
            waits.append(env.now - arrived)
            yield env.timeout(chance.expovariate(1.0))

    def source() -> Generator[Any, Any, None]:
        for _ in range(customers):
            yield env.timeout(chance.expovariate(0.8))
            env.process(customer())

    env.process(source())
    env.run()
    assert len(waits) == customers
    return next(env._eid)  # noqa: SLF001 - SimPy counts its events nowhere else


def callbacks(customers: int) -> int:
    """Serve so many customers with callbacks; return the number of events."""
    queue = Queue(customers)
    queue.start()
    left = queue.agenda.drain(_PLENTY)
    assert len(queue.waits_ns) == customers
    return _PLENTY - left


class Queue:
    """The M/M/1 queue on our agenda."""

    __slots__ = ("_busy", "_gap", "_left", "_line", "_service", "agenda", "waits_ns")

    def __init__(self, customers: int, seed: int = _SEED) -> None:
        self.agenda = Agenda()
        self.waits_ns: list[int] = []
        self._left = customers
        self._busy = False
        self._line: deque[int] = deque()
        """When those who wait arrived."""
        self._gap = exponentials(seed, "gap", _GAP_NS)
        self._service = exponentials(seed, "service", _SERVICE_NS)

    def start(self) -> None:
        """Have the first customer arrive."""
        self.agenda.call_after(self._gap(), self._arrive)

    def _arrive(self, _: object) -> None:
        if self._busy:
            self._line.append(self.agenda.now)
        else:
            self._busy = True
            self.waits_ns.append(0)
            self.agenda.call_after(self._service(), self._leave)
        self._left -= 1
        if self._left:
            self.agenda.call_after(self._gap(), self._arrive)

    def _leave(self, _: object) -> None:
        if self._line:
            self.waits_ns.append(self.agenda.now - self._line.popleft())
            self.agenda.call_after(self._service(), self._leave)
        else:
            self._busy = False
