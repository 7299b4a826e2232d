"""The agenda: one order for callbacks, SimPy's events and timers. Tiny worlds, exact traces."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st

from simulator.engine.kernel import Agenda, TooManyEventsError

PLENTY = 1_000_000


def test_callbacks_come_by_time_and_then_in_the_order_asked_for() -> None:
    agenda = Agenda()
    log: list[tuple[int, object]] = []

    def note(what: object) -> None:
        log.append((agenda.now, what))

    agenda.call_at(20, note, "c")
    agenda.call_at(10, note, "a")
    agenda.call_at(20, note, "d")
    agenda.call_after(15, note, "b")
    agenda.drain(PLENTY)

    assert log == [(10, "a"), (15, "b"), (20, "c"), (20, "d")]


def test_processes_and_callbacks_share_one_order() -> None:
    agenda = Agenda()
    log: list[tuple[int, str]] = []

    def process() -> Generator[Any, Any, None]:
        log.append((agenda.now, "process begins"))
        yield agenda.timeout(10)
        log.append((agenda.now, "process"))

    agenda.process(process())
    agenda.call_at(10, lambda _: log.append((agenda.now, "asked for before the process began")))
    agenda.call_at(0, lambda _: agenda.call_at(10, lambda _: log.append((agenda.now, "after"))))
    agenda.run()

    assert log == [
        (0, "process begins"),
        (10, "asked for before the process began"),
        (10, "process"),
        (10, "after"),
    ]


def test_the_past_is_refused() -> None:
    agenda = Agenda(100)

    with pytest.raises(ValueError, match="it is 100 ns already"):
        agenda.call_at(99, print)


def test_advance_stops_at_the_time_and_includes_it() -> None:
    agenda = Agenda()
    log: list[int] = []
    for time_ns in (5, 10, 11):
        agenda.call_at(time_ns, log.append, time_ns)

    left = agenda.advance(10, 100)

    assert (log, agenda.now, left) == ([5, 10], 10, 97)


def test_a_budget_that_is_used_up_stops_the_world() -> None:
    agenda = Agenda()

    def again(_: object) -> None:
        agenda.call_after(0, again)

    again(None)

    with pytest.raises(TooManyEventsError):
        agenda.advance(1, 1000)


def test_a_failed_event_is_not_lost() -> None:
    agenda = Agenda()
    agenda.event().fail(RuntimeError("boom"))

    with pytest.raises(RuntimeError, match="boom"):
        agenda.run()


def test_run_until_an_event_goes_on_where_it_stopped() -> None:
    agenda = Agenda()
    log: list[str] = []
    event = agenda.timeout(10, "value")
    agenda.call_at(10, log.append, "later in the same instant")

    first = agenda.run(until=event)
    before = list(log)
    agenda.run()

    assert (first, before, log) == ("value", [], ["later in the same instant"])


def test_a_cancelled_timer_neither_fires_nor_moves_the_clock_of_a_drain() -> None:
    agenda = Agenda()
    fired: list[str] = []
    timers = agenda.timers(1_000)
    first = timers.start(fired.append, "first")
    agenda.call_at(10, lambda _: first.cancel())
    agenda.call_at(20, lambda _: timers.start(fired.append, "second"))
    agenda.call_at(30, lambda _: None)
    agenda.advance(30, PLENTY)
    agenda.drain(PLENTY)

    assert (fired, agenda.now) == (["second"], 1_020)


def test_a_drain_of_cancelled_timers_leaves_the_clock_at_the_last_event() -> None:
    agenda = Agenda()
    timer = agenda.timers(15_000).start(print)
    agenda.call_at(7, lambda _: timer.cancel())
    agenda.drain(PLENTY)

    assert agenda.now == 7


# A step: advance by so much, then start a timer of a duration, and cancel some earlier one.
STEPS = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from([3, 5, 8]), st.integers(-1, 8)), max_size=40
)


@given(STEPS)
def test_timers_fire_just_as_if_each_were_in_the_heap(steps: list[tuple[int, int, int]]) -> None:
    assert _trace(steps, _in_line) == _trace(steps, _in_heap)


Start = Callable[[Agenda, int, Callable[[Any], object], object], Callable[[], None]]


def _in_line(
    agenda: Agenda, duration: int, function: Callable[[Any], object], argument: object
) -> Callable[[], None]:
    return agenda.timers(duration).start(function, argument).cancel


def _in_heap(
    agenda: Agenda, duration: int, function: Callable[[Any], object], argument: object
) -> Callable[[], None]:
    live = [True]

    def fire(what: object) -> None:
        if live:
            function(what)

    agenda.call_after(duration, fire, argument)
    return live.clear


def _trace(steps: list[tuple[int, int, int]], start: Start) -> list[tuple[int, object]]:
    agenda = Agenda()
    log: list[tuple[int, object]] = []
    cancels: list[Callable[[], None]] = []

    def note(what: object) -> None:
        log.append((agenda.now, what))

    def step(number: int) -> None:
        delay, duration, victim = steps[number]
        cancels.append(start(agenda, duration, note, f"timer {number}"))
        agenda.call_after(duration, note, f"call {number}")
        if 0 <= victim < len(cancels):
            cancels[victim]()
        if number + 1 < len(steps):
            agenda.call_after(steps[number + 1][0], step, number + 1)
        del delay

    if steps:
        agenda.call_at(steps[0][0], step, 0)
    agenda.drain(PLENTY)
    return log


def test_simpy_models_run_as_on_simpys_own_environment() -> None:
    assert _clinic(Agenda()) == _clinic(simpy.Environment())


def _clinic(env: simpy.Environment) -> list[tuple[float, str]]:
    """Return the trace of a small SimPy model with resources, conditions and interrupts."""
    log: list[tuple[float, str]] = []
    doctor = simpy.Resource(env, capacity=1)

    def patient(name: str, patience: float) -> Generator[Any, Any, None]:
        with doctor.request() as turn:
            seen = yield turn | env.timeout(patience)
            if turn not in seen:
                log.append((env.now, f"{name} leaves"))
                return
            try:
                yield env.timeout(2.5)
                log.append((env.now, f"{name} is cured"))
            except simpy.Interrupt as interrupt:
                log.append((env.now, f"{name} is interrupted: {interrupt.cause}"))

    def alarm(victim: simpy.Process) -> Generator[Any, Any, None]:
        yield env.timeout(3)
        victim.interrupt("fire")

    env.process(patient("a", 1))
    env.process(alarm(env.process(patient("b", 5))))
    env.process(patient("c", 1))
    env.run(until=20)
    return log


def test_beats_come_as_long_as_anything_else_does() -> None:
    agenda = Agenda()
    log: list[tuple[int, str]] = []

    def beat(_: object) -> None:
        log.append((agenda.now, "beat"))
        agenda.beat(10, beat)

    agenda.beat(10, beat)
    agenda.call_at(25, lambda _: log.append((agenda.now, "last")))
    agenda.timers(100).start(print).cancel()
    agenda.drain(PLENTY)
    assert log == [(10, "beat"), (20, "beat"), (25, "last")]
    assert agenda.now == 25

    # What has waited comes when time goes on.
    agenda.advance(41, PLENTY)
    assert log[3:] == [(30, "beat"), (40, "beat")]
