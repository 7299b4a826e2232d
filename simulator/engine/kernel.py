"""The clock: SimPy's environment with a lean way to have a function called later.

SimPy wakes a process through an event object, a list of callbacks and a generator.
What happens a million times a run needs none of that: `call_at` puts a function and
its argument into the *same* heap, so that both kinds share one order, which is part
of the contract: by time, then priority, then the order in which they were asked for.

Time-outs nearly never fire. `Timers` keeps those of one duration in line (they end in
the order in which they start) with only the first in the heap, under the heap key
that it would have had there by itself: the order of events is the same, exactly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, TypeAlias

import simpy
from simpy.core import EmptySchedule, StopSimulation
from simpy.events import NORMAL

Callback: TypeAlias = Callable[[Any], object]


class TooManyEventsError(Exception):
    """The simulation took more events than it was allowed."""


class Agenda(simpy.Environment):
    """A SimPy environment, and `call_at`; SimPy's events and processes work as ever.

    Times given to `call_at`, `call_after` and `Timers` are integer nanoseconds.
    """

    _now: int
    # An entry's function takes the place of SimPy's event, which becomes its argument.
    _queue: list[tuple[int, int, int, Callback, Any]]  # type: ignore[assignment]

    def __init__(self, initial_time: int = 0) -> None:
        super().__init__(initial_time)
        self._timers: dict[int, Timers] = {}

    @property
    def now(self) -> int:
        """Return the time, in ns."""
        return self._now

    def call_at(self, time_ns: int, function: Callback, argument: object = None) -> None:
        """Have `function(argument)` called at a time, which must not be past."""
        if time_ns < self._now:
            message = f"cannot call at {time_ns} ns: it is {self._now} ns already"
            raise ValueError(message)
        heappush(self._queue, (time_ns, NORMAL, next(self._eid), function, argument))

    def call_after(self, delay_ns: int, function: Callback, argument: object = None) -> None:
        """Have `function(argument)` called when `delay_ns` have passed."""
        if delay_ns < 0:
            message = f"cannot call {-delay_ns} ns ago"
            raise ValueError(message)
        # Written out: this and `call_at` are the busiest lines of a run.
        time_ns = self._now + delay_ns
        heappush(self._queue, (time_ns, NORMAL, next(self._eid), function, argument))

    def timers(self, duration_ns: int) -> Timers:
        """Return the line of the timers that last so long."""
        found = self._timers.get(duration_ns)
        if found is None:
            found = self._timers[duration_ns] = Timers(self, duration_ns)
        return found

    def timer_at(self, time_ns: int, function: Callback) -> Timer:
        """Return a timer for a time, which must not be past; most are better off in `timers`."""
        timer = Timer(time_ns, next(self._eid), function, None)
        heappush(self._queue, (time_ns, NORMAL, timer.order, _fire, timer))
        return timer

    def schedule(self, event: Any, priority: int = NORMAL, delay: float = 0) -> None:  # noqa: ANN401
        """Schedule a SimPy event."""
        time_ns: Any = self._now + delay  # a plain SimPy model may use fractions
        heappush(self._queue, (time_ns, priority, next(self._eid), self._process_event, event))

    def step(self) -> None:
        """Process what comes next. Raises simpy.core.EmptySchedule if nothing does."""
        try:
            self._now, _, _, function, argument = heappop(self._queue)
        except IndexError:
            raise EmptySchedule from None
        function(argument)

    def advance(self, until_ns: int, budget: int) -> int:
        """Process all that comes up to and at `until_ns`; return how much of `budget` is left.

        The clock then stands at `until_ns`. Raises TooManyEventsError when the budget is used up.
        """
        queue = self._queue
        for left in range(budget - 1, -1, -1):
            if not queue or queue[0][0] > until_ns:
                self._now = max(self._now, until_ns)
                return left
            self._now, _, _, function, argument = heappop(queue)
            function(argument)
        raise TooManyEventsError

    def beat(self, delay_ns: int, function: Callback, argument: object = None) -> None:
        """Have `function(argument)` called as `call_after` does, if anything else happens by then.

        What goes on for ever (health checks) keeps a world from coming to rest otherwise.
        """
        self.call_after(delay_ns, _strike, Beat(function, argument))

    def drain(self, budget: int) -> int:
        """Process everything; otherwise as `advance`.

        The clock then stands at the last thing that happened: a cancelled timer is nothing, and
        beats that nothing follows wait.
        """
        queue = self._queue
        for left in range(budget - 1, -1, -1):
            if not queue:
                return left
            entry = heappop(queue)
            time_ns, _, _, function, argument = entry
            kind = argument.__class__
            if kind is Beat and not any(map(_counts, queue)):
                heappush(queue, entry)
                return left
            if kind is not Timer or argument.function is not None:
                self._now = time_ns
            function(argument)
        raise TooManyEventsError

    def _process_event(self, event: Any) -> None:  # noqa: ANN401 - SimPy's Event
        callbacks, event.callbacks = event.callbacks, None
        try:
            for callback in callbacks:
                callback(event)
        except StopSimulation:
            # The rest of the event's callbacks wait until the simulation goes on.
            event.callbacks = callbacks[callbacks.index(callback) + 1 :]
            self.schedule(event, -1)
            raise
        if not event._ok and not hasattr(event, "_defused"):  # noqa: SLF001 - SimPy's own rule
            failure = event._value  # noqa: SLF001
            raise type(failure)(*failure.args) from failure


class Beat:
    """What happens again and again, and so is nothing to wait for."""

    __slots__ = ("argument", "function")

    def __init__(self, function: Callback, argument: object) -> None:
        self.function = function
        self.argument = argument


def _strike(beat: Beat) -> None:
    beat.function(beat.argument)


def _counts(entry: tuple[Any, ...]) -> bool:
    """Say whether an entry of the heap is something to wait for."""
    argument = entry[4]
    kind = argument.__class__
    return kind is not Beat and (kind is not Timer or argument.function is not None)


class Timer:
    """One running time-out."""

    __slots__ = ("argument", "function", "order", "time_ns")

    def __init__(
        self, time_ns: int, order: int, function: Callback | None, argument: object
    ) -> None:
        self.time_ns = time_ns
        self.order = order
        self.function = function
        self.argument = argument

    def cancel(self) -> None:
        """Keep it from firing; a timer that has fired or is cancelled stays so."""
        self.function = None
        self.argument = None


def _fire(timer: Timer) -> None:
    function, argument = timer.function, timer.argument
    if function is not None:
        timer.cancel()
        function(argument)


class Timers:
    """The time-outs of one duration, in the order of their ends."""

    __slots__ = ("_agenda", "_armed", "_line", "duration_ns")

    def __init__(self, agenda: Agenda, duration_ns: int) -> None:
        self._agenda = agenda
        self._line: deque[Timer] = deque()
        self._armed = False
        """Whether an entry for the line is in the heap."""
        self.duration_ns = duration_ns

    def start(self, function: Callback, argument: object = None) -> Timer:
        """Start a timer: `function(argument)` is called unless it is cancelled before."""
        agenda = self._agenda
        line = self._line
        timer = Timer(agenda._now + self.duration_ns, next(agenda._eid), function, argument)  # noqa: SLF001
        # Without this, a line would hold the timers of everything that ended long ago.
        while line and line[0].function is None:
            line.popleft()
        line.append(timer)
        if not self._armed:
            self._arm(timer)
        return timer

    def _arm(self, timer: Timer) -> None:
        self._armed = True
        heappush(
            self._agenda._queue,  # noqa: SLF001 - the heap is shared on purpose
            (timer.time_ns, NORMAL, timer.order, self._fire, timer),
        )

    def _fire(self, armed: Timer) -> None:
        line = self._line
        self._armed = False
        if line and line[0] is armed:
            line.popleft()
        while line and line[0].function is None:
            line.popleft()
        if line:
            self._arm(line[0])
        _fire(armed)
