"""Who sends requests: open loops (a Poisson process) and closed loops (users who wait).

An open loop does not care how the mesh is: it shows overload for what it is. A closed
loop slows down with the mesh, as people do, and hides it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise, repeat
from typing import TypeAlias

from simulator.config.scenario import Client, Pace
from simulator.engine.draws import Sampler, exponentials
from simulator.engine.kernel import Agenda

SECOND_NS = 1_000_000_000

Send: TypeAlias = Callable[[Callable[[], None]], None]
"""Sends one request; calls the function it is given when that has ended."""


class OpenLoop:
    """Requests at a mean rate, whatever becomes of them."""

    __slots__ = ("_agenda", "_gap", "_send", "_stop_ns")

    def __init__(self, agenda: Agenda, send: Send, gap: Sampler, stop_ns: int) -> None:
        self._agenda = agenda
        self._send = send
        self._gap = gap
        self._stop_ns = stop_ns

    def start(self, start_ns: int) -> None:
        """Begin: the first request comes one gap after `start_ns`."""
        self._next(start_ns)

    def _next(self, after_ns: int) -> None:
        at_ns = after_ns + self._gap()
        if at_ns < self._stop_ns:
            self._agenda.call_at(at_ns, self._arrive, at_ns)

    def _arrive(self, now: int) -> None:
        self._send(_ignore)
        self._next(now)


class Ramp:
    """How many requests an open loop has sent by a time, on average: a rate that changes evenly.

    Each stretch is a time, the rate there, and how many were sent before it; the last one's
    rate stays.
    """

    __slots__ = ("_stretches",)

    def __init__(self, paces: Sequence[Pace]) -> None:
        first = paces[0]
        self._stretches = [(0, first.rate, 0.0)] if first.at else []
        sent = first.rate * first.at / SECOND_NS
        for pace, after in pairwise((*paces, paces[-1])):
            self._stretches.append((pace.at, pace.rate, sent))
            sent += (pace.rate + after.rate) / 2 * (after.at - pace.at) / SECOND_NS

    def sent(self, time_ns: int) -> float:
        """Return how many requests come before a time."""
        at, (began_ns, rate, sent) = self._stretch(lambda one: one[0] <= time_ns)
        spent = (time_ns - began_ns) / SECOND_NS
        return sent + (rate + self._slope(at) * spent / 2) * spent

    def time_ns(self, count: float) -> int | None:
        """Return when so many were sent; None: never."""
        at, (began_ns, rate, sent) = self._stretch(lambda one: one[2] <= count)
        left, slope = count - sent, self._slope(at)
        # The time t for which rate * t + slope / 2 * t ** 2 is what is left.
        root = math.sqrt(max(rate * rate + 2 * slope * left, 0))
        if rate + root == 0:
            return None
        return began_ns + round(2 * left / (rate + root) * SECOND_NS)

    def _stretch(
        self, begun: Callable[[tuple[int, float, float]], bool]
    ) -> tuple[int, tuple[int, float, float]]:
        return [(at, one) for at, one in enumerate(self._stretches) if begun(one)][-1]

    def _slope(self, at: int) -> float:
        """Return by how much the rate changes a second."""
        if at + 1 == len(self._stretches):
            return 0.0
        (began_ns, rate, _), (ended_ns, last, _) = self._stretches[at : at + 2]
        return (last - rate) * SECOND_NS / (ended_ns - began_ns) if ended_ns > began_ns else 0.0


class RampLoop:
    """Requests as in an open loop, at a rate that changes."""

    __slots__ = ("_agenda", "_count", "_gap", "_ramp", "_send", "_start_ns", "_stop_ns")

    def __init__(self, agenda: Agenda, send: Send, ramp: Ramp, gap: Sampler, stop_ns: int) -> None:
        """`gap` is what it would be at one request a second."""
        self._agenda = agenda
        self._send = send
        self._ramp = ramp
        self._gap = gap
        self._stop_ns = stop_ns
        self._start_ns = 0
        self._count = 0.0

    def start(self, start_ns: int) -> None:
        """Begin: the first request comes one gap after `start_ns`."""
        self._start_ns = start_ns
        self._next()

    def _next(self) -> None:
        self._count += self._gap() / SECOND_NS
        after_ns = self._ramp.time_ns(self._count)
        if after_ns is not None and self._start_ns + after_ns < self._stop_ns:
            self._agenda.call_at(self._start_ns + after_ns, self._arrive)

    def _arrive(self, _: object) -> None:
        self._send(_ignore)
        self._next()


class ClosedLoop:
    """Users of whom each waits for the answer, thinks, and sends again."""

    __slots__ = ("_agenda", "_send", "_stop_ns", "_think_ns", "_users")

    def __init__(
        self, agenda: Agenda, send: Send, *, users: int, think_ns: int, stop_ns: int
    ) -> None:
        self._agenda = agenda
        self._send = send
        self._users = users
        self._think_ns = think_ns
        self._stop_ns = stop_ns

    def start(self, start_ns: int) -> None:
        """Begin: all users send at `start_ns`."""
        for _ in range(self._users):
            self._agenda.call_at(start_ns, self._arrive)

    def _arrive(self, _: object) -> None:
        if self._agenda.now < self._stop_ns:
            self._send(self._answered)

    def _answered(self) -> None:
        # At least a nanosecond: users of a mesh that answers at once would stop the clock.
        self._agenda.call_after(max(self._think_ns, 1), self._arrive)


def _ignore() -> None:
    pass


def loop(
    agenda: Agenda, client: Client, send: Send, *, seed: int, until_ns: int
) -> OpenLoop | RampLoop | ClosedLoop:
    """Return a client's load, which ends at `until_ns` at the latest."""
    stop_ns = until_ns if client.stop is None else min(client.stop, until_ns)
    if client.users is not None:
        return ClosedLoop(agenda, send, users=client.users, think_ns=client.think, stop_ns=stop_ns)
    if client.rate is not None:
        return OpenLoop(agenda, send, _gaps(client, seed, SECOND_NS / client.rate), stop_ns)
    gap = _gaps(client, seed, SECOND_NS)
    return RampLoop(agenda, send, Ramp(client.ramp), gap, stop_ns)


def _gaps(client: Client, seed: int, mean_ns: float) -> Sampler:
    if client.arrivals == "constant":
        return repeat(round(mean_ns)).__next__
    return exponentials(seed, f"client {client.name}/gap", mean_ns)
