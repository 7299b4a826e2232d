"""The states of a stream, and what may happen in each: the table that diagrams are made of."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from simulator.envoy.commands import Attempt, Call, Finish, Queued, Wait


class State(StrEnum):
    """Where a stream stands."""

    NEW = "new"
    DELAYED = "delayed"
    """The fault filter holds it back."""
    ASKING = "asking"
    """A filter waits for what a service says."""
    QUEUED = "queued"
    """An attempt waits for a connection."""
    AWAITING = "awaiting"
    """An attempt is under way."""
    BACKING_OFF = "backing off"
    """A retry is decided on."""
    DONE = "done"


class Event(StrEnum):
    """What can happen to a stream."""

    START = "start"
    RESUME = "resume"
    TOLD = "told"
    TURN = "turn"
    """The end of waiting for a connection, whatever it came to."""
    RESPONSE = "response"
    RESET = "reset"
    PER_TRY_TIMEOUT = "per-try time-out"
    TIMEOUT = "time-out"
    EXPIRY = "expiry"
    """The end of a stream that lasts, or idles, too long."""
    DISCONNECT = "disconnect"


_ATTEMPT = (State.AWAITING, State.QUEUED, State.DONE)
_FILTERED = (State.DELAYED, State.ASKING, *_ATTEMPT)
_OUTCOME = (State.BACKING_OFF, State.DONE)
_END = (State.DONE,)
_ALWAYS = {Event.EXPIRY: _END, Event.DISCONNECT: _END}
"""What may happen wherever a stream stands."""

TRANSITIONS: Mapping[State, Mapping[Event, tuple[State, ...]]] = {
    State.NEW: {Event.START: _FILTERED},
    State.DELAYED: {Event.RESUME: _FILTERED, **_ALWAYS},
    State.ASKING: {Event.TOLD: _FILTERED, **_ALWAYS},
    State.QUEUED: {
        Event.TURN: (State.AWAITING, *_OUTCOME),
        Event.TIMEOUT: _END,
        **_ALWAYS,
    },
    State.AWAITING: {
        Event.RESPONSE: _OUTCOME,
        Event.RESET: _OUTCOME,
        Event.PER_TRY_TIMEOUT: _OUTCOME,
        Event.TIMEOUT: _END,
        **_ALWAYS,
    },
    State.BACKING_OFF: {Event.RESUME: _ATTEMPT, Event.TIMEOUT: _END, **_ALWAYS},
    State.DONE: {event: _END for event in Event if event is not Event.START},
}


REACHED: Mapping[type, State] = {
    Wait: State.BACKING_OFF,
    Call: State.ASKING,
    Queued: State.QUEUED,
    Attempt: State.AWAITING,
    Finish: State.DONE,
}
"""Where a command leaves a stream; a `Wait` that a filter asks for, in `DELAYED`."""


class UnexpectedEventError(RuntimeError):
    """An event came that `TRANSITIONS` does not allow: the caller's mistake."""
