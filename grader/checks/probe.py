"""Check kind `probe`: requests, and what has to be seen of each of them.

Every repetition of a request must meet its `expect`, and none may meet its `never`.
"""

from __future__ import annotations

from pydantic import Field

from grader.checks.expectation import Expectation, Mismatch, mismatch
from grader.checks.story import numbered, why
from grader.evidence import Engine, Finding, Outcome, Plan, Seen
from simulator.config.record import Record
from simulator.config.scenario import Request
from simulator.observe.observation import Observation

_SLACK_NS = {Engine.SIM: 0, Engine.ENVOY: 150_000_000}
"""What a busy machine may add to a duration."""


class ProbeRequest(Request):
    """A request with what is expected of it."""

    id: str
    expect: Expectation = Expectation()
    never: Expectation | None = None
    """What must not be seen, all of it together, in any repetition."""


class ProbeParams(Record):
    """The `with` of a check of kind `probe`."""

    situation: str = ""
    requests: tuple[ProbeRequest, ...] = Field(min_length=1)


def plan(params: ProbeParams) -> Plan:
    """Return the requests as they are written."""
    return Plan(requests=tuple(params.requests), situation=params.situation)


def judge(params: ProbeParams, seen: Seen) -> Finding:
    """Return the first request that was not as expected, or how many were."""
    wanted = {request.id: request for request in params.requests}
    for observation in seen.observations:
        request = wanted[observation.id]
        wrong = mismatch(request.expect, observation, slack_ns=_SLACK_NS[seen.engine])
        if wrong is None and request.never is not None:
            wrong = _forbidden(request.never, observation)
        if wrong is not None:
            story = why(seen, observation, whole_way=wrong.whole_way)
            reason = f"{numbered(request, observation)} {wrong.predicate}.{story}"
            return Finding(outcome=Outcome.FAILED, reason=reason, observation=observation)
    if len(seen.observations) < sum(request.count for request in params.requests):
        return Finding(outcome=Outcome.UNDECIDED, reason="Not every request was observed.")
    number = len(seen.observations)
    reason = f"{number} request{'s' if number > 1 else ''} sent, and all went as expected."
    return Finding(outcome=Outcome.PASSED, reason=reason)


def _forbidden(never: Expectation, observation: Observation) -> Mismatch | None:
    if mismatch(never, observation) is not None:
        return None
    return Mismatch(f"was {never}, which it must never be", whole_way=bool(never.reaches))
