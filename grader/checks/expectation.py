"""What is expected of one observation, and in which words it was not so."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydantic import Field, model_validator

from simulator.config.record import Duration, Record, duration_text
from simulator.observe.observation import Observation

_REPLICA = re.compile(r"-\d+$")


class Count(Record):
    """How many are wanted."""

    at_least: int = 0
    at_most: int | None = None

    def __contains__(self, number: object) -> bool:
        """Say whether a number is as wanted."""
        assert isinstance(number, int)
        return number >= self.at_least and (self.at_most is None or number <= self.at_most)

    def __str__(self) -> str:
        """Return the range in words."""
        if self.at_most is None:
            return f"at least {self.at_least}"
        if self.at_least == self.at_most:
            return f"just {self.at_most}"
        return f"{self.at_least} to {self.at_most}" if self.at_least else f"at most {self.at_most}"


class Expectation(Record):
    """What must be seen of a request; only what is named counts."""

    status: int | None = None
    """What the client was answered."""
    workload: str | None = None
    """The `DEPLOYMENT` (namespace default) or `DEPLOYMENT.NAMESPACE` that answered its proxy."""
    reaches: tuple[str, ...] = ()
    """Workloads that the request, or a call made on its behalf, was sent to."""
    attempts: Count | None = None
    """How often the first proxy sent it."""
    flags: tuple[str, ...] = ()
    """Response flags that the first proxy gave it."""
    headers_upstream: dict[str, str] = Field(default={})
    """Headers as the first proxy sent them on."""
    takes_at_most: Duration | None = None
    """As the client saw it; on real Envoys a busy machine is given some slack."""
    takes_at_least: Duration | None = None
    arrivals: dict[str, Count] = Field(default={})
    """By workload: how often one request of the client arrived there, retries and all."""

    @model_validator(mode="after")
    def _qualified(self) -> Expectation:
        for field in ("workload", "reaches", "arrivals"):
            object.__setattr__(self, field, _with_namespace(getattr(self, field)))
        return self

    def __str__(self) -> str:
        """Return the wanted facts in a phrase, such as `answered 200 by reviews-v2`."""
        parts = [f"answered {self.status}"] if self.status is not None else []
        if self.workload is not None:
            parts.append(f"served by {short(self.workload)}")
        parts += [f"sent to {short(workload)}" for workload in self.reaches]
        parts += [f"flagged {flag}" for flag in self.flags]
        return " and ".join(parts) or "as described"


def _with_namespace(value: object) -> object:
    if isinstance(value, str):
        return value if "." in value else f"{value}.default"
    if isinstance(value, dict):
        return {_with_namespace(key): inner for key, inner in value.items()}
    return tuple(_with_namespace(each) for each in value) if isinstance(value, tuple) else value


def short(workload: str) -> str:
    """Return a workload's name as learners say it: without the default namespace."""
    return workload.removesuffix(".default")


def workload_of(proxy: str) -> str:
    """Return the workload of a pod that is named in its Deployment's way (`NAME-0.NS`)."""
    pod, _, namespace = proxy.partition(".")
    return f"{_REPLICA.sub('', pod)}.{namespace}"


def arrivals(observation: Observation, workload: str) -> int:
    """Return how often a request, or a call on its behalf, arrived at a workload's proxies."""
    return sum(
        hop.direction == "inbound" and workload_of(hop.proxy) == workload
        for hop in observation.hops
    )


def reached(observation: Observation) -> tuple[str, ...]:
    """Return the workloads on a request's way, in the order in which they were reached."""
    found = (workload_of(hop.proxy) for hop in observation.hops if hop.direction == "inbound")
    return tuple(dict.fromkeys(found))


def served_by(observation: Observation) -> str | None:
    """Return the workload that the first proxy sent a request to; None when it sent it nowhere."""
    return observation.upstream.workload if observation.upstream else None


@dataclass(frozen=True, slots=True)
class Mismatch:
    """How an observation is not as expected."""

    predicate: str
    """Continues a sentence such as `Request 7`."""
    whole_way: bool = False
    """Whether it is about all that the request caused, and not about the first proxy alone."""


def mismatch(
    expected: Expectation, observation: Observation, *, slack_ns: int = 0
) -> Mismatch | None:
    """Return the first way in which an observation is not as expected; None when there is none."""
    first = _answer(expected, observation) or _sent(expected, observation)
    if first is not None:
        return Mismatch(first)
    later = _way(expected, observation)
    if later is not None:
        return Mismatch(later, whole_way=True)
    last = _times(expected, observation, slack_ns)
    return Mismatch(last) if last is not None else None


def _answer(expected: Expectation, observation: Observation) -> str | None:
    if expected.status is not None and observation.status != expected.status:
        if observation.status is None:
            return f"got no answer ({observation.error}); expected {expected.status}"
        return f"was answered {observation.status}; expected {expected.status}"
    missing = [flag for flag in expected.flags if flag not in observation.response_flags]
    if missing:
        seen = ", ".join(observation.response_flags) or "none"
        return f"has the response flags {seen}; expected {', '.join(missing)}"
    return None


def _sent(expected: Expectation, observation: Observation) -> str | None:
    served = served_by(observation)
    if expected.workload is not None and served != expected.workload:
        went = f"went to {short(served)}" if served else "was sent nowhere"
        return f"{went}; expected {short(expected.workload)}"
    sent = observation.request_headers_upstream or {}
    for name, value in expected.headers_upstream.items():
        if sent.get(name) != value:
            return f"was sent on with `{name}: {sent.get(name, '')}`; expected `{value}`"
    return None


def _way(expected: Expectation, observation: Observation) -> str | None:
    for workload in expected.reaches:
        if workload not in reached(observation):
            way = ", ".join(short(each) for each in reached(observation)) or "nothing"
            return f"reached {way}; expected {short(workload)} on its way"
    for workload, count in expected.arrivals.items():
        seen = arrivals(observation, workload)
        if seen not in count:
            return f"arrived at {short(workload)} {times(seen)}; expected {count}"
    return None


def _times(expected: Expectation, observation: Observation, slack_ns: int) -> str | None:
    tries = observation.attempts or 0
    if expected.attempts is not None and tries not in expected.attempts:
        return f"was tried {times(tries)}; expected {expected.attempts}"
    took = observation.duration_ns
    most, least = expected.takes_at_most, expected.takes_at_least
    if most is not None and (took is None or took > most + slack_ns):
        return f"took {milliseconds(took)}; expected {duration_text(most)} at most"
    if least is not None and (took is None or took < least):
        return f"took {milliseconds(took)}; expected {duration_text(least)} at least"
    return None


def times(number: int) -> str:
    """Return a number of times in words."""
    return {0: "never", 1: "once", 2: "twice"}.get(number, f"{number} times")


def milliseconds(duration_ns: int | None) -> str:
    """Return a duration as people say it."""
    return "for ever" if duration_ns is None else f"{duration_ns / 1e6:.0f} ms"
