"""Check kind `split`: shares of traffic, judged by an exact binomial interval.

A share that was seen is compared with the one that was asked for by the two-sided
Clopper-Pearson interval at `alpha`: with the right weights a check is refused in at most
`alpha` of all runs, divided between the shares. `count` says how fine it sees.
"""

from __future__ import annotations

from collections import Counter

from pydantic import Field, model_validator
from scipy.stats import beta

from grader.checks.expectation import served_by, short
from grader.checks.story import why
from grader.evidence import Finding, Outcome, Plan, Seen
from simulator.config.model import refusal
from simulator.config.record import Record, Share
from simulator.config.scenario import Request
from simulator.observe.observation import Observation

_AT_ONCE = 8


class SplitParams(Record):
    """The `with` of a check of kind `split`."""

    situation: str = ""
    request: Request
    shares: dict[str, Share] = Field(min_length=1)
    """By workload; what is not named must get nothing. They add up to 1."""
    alpha: float = Field(default=0.0001, gt=0, lt=0.1)
    """How often right weights may be refused by chance."""

    @model_validator(mode="after")
    def _whole(self) -> SplitParams:
        if abs(sum(self.shares.values()) - 1) > 1e-9:
            problem = f"the shares add up to {sum(self.shares.values()):g}, not to 1"
            raise refusal(problem, "shares")
        return self


def plan(params: SplitParams) -> Plan:
    """Return the one request, sent `count` times."""
    return Plan(requests=(params.request,), situation=params.situation, at_once=_AT_ONCE)


def interval(seen: int, number: int, alpha: float) -> tuple[float, float]:
    """Return the two-sided Clopper-Pearson interval of a share seen `seen` of `number` times."""
    low = float(beta.ppf(alpha / 2, seen, number - seen + 1)) if seen else 0.0
    high = float(beta.ppf(1 - alpha / 2, seen + 1, number - seen)) if seen < number else 1.0
    return low, high


def judge(params: SplitParams, seen: Seen) -> Finding:
    """Return whether every share can be what was asked for."""
    number = len(seen.observations)
    if number < params.request.count:
        return Finding(outcome=Outcome.UNDECIDED, reason="Not every request was observed.")
    wanted = {_qualified(name): share for name, share in params.shares.items()}
    stray = _stray(wanted, seen.observations)
    if stray is not None:
        reason = _stray_text(stray, wanted, seen.observations) + why(seen, stray)
        return Finding(outcome=Outcome.FAILED, reason=reason, observation=stray)
    counts = Counter(served_by(each) for each in seen.observations)
    told = []
    for name, share in wanted.items():
        low, high = interval(counts[name], number, params.alpha / len(wanted))
        sentence = (
            f"{counts[name]} of {number} requests ({counts[name] / number:.1%}) went to"
            f" {short(name)}, so its weight lies between {low:.1%} and {high:.1%}"
        )
        if not low <= share <= high:
            first = seen.observations[0]
            reason = f"{sentence}; expected {share:.0%}.{why(seen, first)}"
            return Finding(outcome=Outcome.FAILED, reason=reason, observation=first)
        told.append(sentence)
    return Finding(outcome=Outcome.PASSED, reason="; ".join(told) + ".")


def _qualified(name: str) -> str:
    return name if "." in name else f"{name}.default"


def _stray(wanted: dict[str, float], observations: tuple[Observation, ...]) -> Observation | None:
    allowed = {name for name, share in wanted.items() if share > 0}
    return next((each for each in observations if served_by(each) not in allowed), None)


def _stray_text(
    stray: Observation, wanted: dict[str, float], observations: tuple[Observation, ...]
) -> str:
    name = served_by(stray)
    count = sum(served_by(each) == name for each in observations)
    of_all = f"{count} of {len(observations)} requests"
    wish = " and ".join(f"{share:.0%} to {short(each)}" for each, share in wanted.items())
    if name is None:
        return f"{of_all} were sent nowhere and answered {stray.status}; expected {wish}."
    return f"{of_all} went to {short(name)}; expected {wish}, and nothing elsewhere."
