"""A client calls A through a balancer, A calls B, B calls C: processes against callbacks.

Each service has four replicas of two workers and a line; service times are log-normal
(mean 4 ms, sigma 0.8), the network takes an exponential 0.25 ms each way. Callers pick
the less loaded of two replicas, give up after 100, 60 and 30 ms, and try three times
with a random back-off. Work that nobody waits for any more is done all the same.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Generator
from typing import Any, Protocol

import numpy as np
import simpy
from numpy.typing import NDArray

from simulator.engine.draws import exponentials, integers, log_normals, uniforms
from simulator.engine.kernel import Agenda, Timer

_SECOND_NS = 1_000_000_000
_RATE = 1000
_REPLICAS = 4
_WORKERS = 2
_SIGMA = 0.8
_MEAN = 0.004
_MEDIAN = _MEAN / math.exp(_SIGMA**2 / 2)
_NETWORK = 0.00025
_TIMEOUTS = (0.100, 0.060, 0.030)
_ATTEMPTS = 3
_BACK_OFF = 0.005
_SEED = 1
_PLENTY = 10**9


def processes(requests: int) -> int:
    """Send so many requests through idiomatic SimPy; return the number of events."""
    model = _processes(requests)
    assert len(model.latencies) == requests
    return next(model.env._eid)  # noqa: SLF001 - SimPy counts its events nowhere else


class _Processes:
    """A process a request, an attempt and a hop; time-outs as conditions."""

    def __init__(self) -> None:
        self.env = simpy.Environment()
        self.latencies: list[float] = []
        self._chance = random.Random(_SEED)
        self._workers = [
            [simpy.Resource(self.env, capacity=_WORKERS) for _ in range(_REPLICAS)]
            for _ in _TIMEOUTS
        ]
        self._outstanding = [[0] * _REPLICAS for _ in _TIMEOUTS]

    def source(self, requests: int) -> Generator[Any, Any, None]:
        for _ in range(requests):
            yield self.env.timeout(self._chance.expovariate(_RATE))
            self.env.process(self._client())

    def _client(self) -> Generator[Any, Any, None]:
        began = self.env.now
        yield from self._call(0)
        self.latencies.append(self.env.now - began)

    def _call(self, service: int) -> Generator[Any, Any, bool]:
        for attempt in range(1, _ATTEMPTS + 1):
            outstanding = self._outstanding[service]
            first, second = self._chance.sample(range(_REPLICAS), 2)
            replica = first if outstanding[first] <= outstanding[second] else second
            outstanding[replica] += 1
            answer = self.env.process(self._serve(service, replica))
            expired = self.env.timeout(_TIMEOUTS[service])
            ended = yield answer | expired
            outstanding[replica] -= 1
            if answer in ended:
                return bool(answer.value)
            if attempt < _ATTEMPTS:
                yield self.env.timeout(self._chance.uniform(0, _BACK_OFF * 2 ** (attempt - 1)))
        return False

    def _serve(self, service: int, replica: int) -> Generator[Any, Any, bool]:
        yield self.env.timeout(self._chance.expovariate(1 / _NETWORK))
        with self._workers[service][replica].request() as turn:
            yield turn
            yield self.env.timeout(self._chance.lognormvariate(math.log(_MEDIAN), _SIGMA))
        fine = True
        if service + 1 < len(_TIMEOUTS):
            fine = yield from self._call(service + 1)
        yield self.env.timeout(self._chance.expovariate(1 / _NETWORK))
        return fine


def callbacks(requests: int) -> int:
    """Send so many requests through callbacks; return the number of events."""
    model = _Callbacks(requests)
    model.agenda.call_after(model.gap(), model.arrive)
    left = model.agenda.drain(_PLENTY)
    assert len(model.latencies_ns) == requests
    return _PLENTY - left


def latencies(requests: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the requests' latencies in seconds: with callbacks, and with processes."""
    ours = _Callbacks(requests)
    ours.agenda.call_after(ours.gap(), ours.arrive)
    ours.agenda.drain(_PLENTY)
    return np.array(ours.latencies_ns) / _SECOND_NS, np.array(_processes(requests).latencies)


def _processes(requests: int) -> _Processes:
    model = _Processes()
    model.env.process(model.source(requests))
    model.env.run()
    return model


class Done(Protocol):
    """Takes the end of a call: `fine` says whether there was an answer in time."""

    def __call__(self, *, fine: bool) -> None:
        """Take it."""


class _Callbacks:
    """The same on our agenda."""

    def __init__(self, requests: int) -> None:
        self.agenda = Agenda()
        self.latencies_ns: list[int] = []
        self.gap = exponentials(_SEED, "gap", _SECOND_NS / _RATE)
        self.network = exponentials(_SEED, "network", _NETWORK * _SECOND_NS)
        self.work = log_normals(_SEED, "work", _MEDIAN * _SECOND_NS, _SIGMA)
        self.integer = integers(_SEED, "choices")
        self.uniform = uniforms(_SEED, "back-off")
        self.timers = [self.agenda.timers(round(one * _SECOND_NS)) for one in _TIMEOUTS]
        self.replicas = [[_Replica(self) for _ in range(_REPLICAS)] for _ in _TIMEOUTS]
        self._left = requests

    def arrive(self, _: object) -> None:
        """Begin a client's request."""
        began = self.agenda.now

        def done(*, fine: bool) -> None:
            del fine
            self.latencies_ns.append(self.agenda.now - began)

        _Call(self, 0, done).attempt()
        self._left -= 1
        if self._left:
            self.agenda.call_after(self.gap(), self.arrive)


class _Replica:
    """Two workers and a line."""

    __slots__ = ("_busy", "_line", "_model", "outstanding")

    def __init__(self, model: _Callbacks) -> None:
        self._model = model
        self._busy = 0
        self._line: deque[_Attempt] = deque()
        self.outstanding = 0

    def take(self, attempt: _Attempt) -> None:
        """Begin with a request, or put it in line."""
        if self._busy >= _WORKERS:
            self._line.append(attempt)
            return
        self._busy += 1
        self._model.agenda.call_after(self._model.work(), attempt.worked)

    def release(self) -> None:
        """Free a worker for whoever waits longest."""
        if self._line:
            self._model.agenda.call_after(self._model.work(), self._line.popleft().worked)
        else:
            self._busy -= 1


class _Call:
    """One service's call of another, with its attempts."""

    __slots__ = ("_attempt", "_attempts", "_done", "_timer", "model", "service")

    def __init__(self, model: _Callbacks, service: int, done: Done) -> None:
        self.model = model
        self.service = service
        self._done = done
        self._attempts = 0
        self._attempt: _Attempt | None = None
        self._timer: Timer | None = None

    def attempt(self, _: object = None) -> None:
        """Send the request to the less loaded of two replicas."""
        model = self.model
        replicas = model.replicas[self.service]
        # One draw gives both: the first, and how far the second is from it.
        drawn = model.integer()
        first = drawn % _REPLICAS
        replica = replicas[first]
        other = replicas[(first + 1 + (drawn >> 32) % (_REPLICAS - 1)) % _REPLICAS]
        if other.outstanding < replica.outstanding:
            replica = other
        replica.outstanding += 1
        self._attempts += 1
        self._attempt = _Attempt(self, replica)
        self._timer = model.timers[self.service].start(self._expired)
        model.agenda.call_after(model.network(), self._attempt.arrived)

    def answered(self, attempt: _Attempt) -> None:
        """Take an attempt's answer, unless it was given up."""
        if attempt is self._attempt and self._timer is not None:
            self._timer.cancel()
            self._end()
            self._done(fine=attempt.fine)

    def _expired(self, _: object) -> None:
        self._end()
        if self._attempts == _ATTEMPTS:
            self._done(fine=False)
            return
        ceiling = _BACK_OFF * 2 ** (self._attempts - 1)
        delay_ns = round(self.model.uniform() * ceiling * _SECOND_NS)
        self.model.agenda.call_after(delay_ns, self.attempt)

    def _end(self) -> None:
        assert self._attempt is not None
        self._attempt.replica.outstanding -= 1
        self._attempt = None


class _Attempt:
    """One request on its way to a replica, through it and back."""

    __slots__ = ("_call", "fine", "replica")

    def __init__(self, call: _Call, replica: _Replica) -> None:
        self._call = call
        self.replica = replica
        self.fine = True

    def arrived(self, _: object) -> None:
        """Stand in line at the replica."""
        self.replica.take(self)

    def worked(self, _: object) -> None:
        """Call the next service, if there is one."""
        self.replica.release()
        call = self._call
        if call.service + 1 < len(_TIMEOUTS):
            _Call(call.model, call.service + 1, self._answer).attempt()
        else:
            self._answer(fine=True)

    def _answer(self, *, fine: bool) -> None:
        self.fine = fine
        agenda = self._call.model.agenda
        agenda.call_after(self._call.model.network(), self._call.answered, self)
