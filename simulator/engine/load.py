"""Who sends requests: open loops (a Poisson process) and closed loops (users who wait).

An open loop does not care how the mesh is: it shows overload for what it is. A closed
loop slows down with the mesh, as people do, and hides it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from simulator.config.scenario import Client
from simulator.engine.draws import Sampler, exponentials
from simulator.engine.kernel import Agenda

SECOND_NS = 1_000_000_000

Send: TypeAlias = Callable[[Callable[[], None]], None]
"""Sends one request; calls the function it is given when that has ended."""


class OpenLoop:
    """Requests at random times, at a mean rate, whatever becomes of them."""

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
) -> OpenLoop | ClosedLoop:
    """Return a client's load, which ends at `until_ns` at the latest."""
    stop_ns = until_ns if client.stop is None else min(client.stop, until_ns)
    if client.users is not None:
        return ClosedLoop(agenda, send, users=client.users, think_ns=client.think, stop_ns=stop_ns)
    assert client.rate is not None
    gap = exponentials(seed, f"client {client.name}/gap", SECOND_NS / client.rate)
    return OpenLoop(agenda, send, gap, stop_ns)
