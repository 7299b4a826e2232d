"""The interval of a share is exact, and right weights are refused as seldom as is promised."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import binom, binomtest

from grader.checks.split import SplitParams, interval, judge
from grader.evidence import Outcome, Seen
from simulator.config.scenario import Request
from simulator.observe.observation import Observation, Upstream

COUNT = 600
ALPHA = 0.01
PARAMS = SplitParams(
    request=Request(url="http://reviews:9080/", count=COUNT),
    shares={"reviews-v1": 0.9, "reviews-v3": 0.1},
    alpha=ALPHA,
)


def seen(**counts: int) -> Seen:
    """Return what was seen when so many requests went to each version; `nowhere` is a 503."""
    observations: list[Observation] = []
    for name, count in counts.items():
        to = None if name == "nowhere" else Upstream(workload=f"reviews-{name}.default")
        status = 503 if to is None else 200
        observations += [
            Observation(id="someone", n=n, status=status, upstream=to) for n in range(count)
        ]
    return Seen(observations=tuple(observations))


@given(st.integers(1, 2000), st.data(), st.sampled_from([0.1, 0.01, 0.0001]))
def test_the_interval_is_clopper_and_pearsons(
    number: int, data: st.DataObject, alpha: float
) -> None:
    successes = data.draw(st.integers(0, number))
    exact = binomtest(successes, number).proportion_ci(1 - alpha, method="exact")

    assert interval(successes, number, alpha) == pytest.approx((exact.low, exact.high), abs=1e-9)


def test_right_weights_are_refused_as_seldom_as_is_promised() -> None:
    # Exactly, over all that can be seen of 600 requests; no chance is left in it.
    chances = binom.pmf(np.arange(COUNT + 1), COUNT, 0.9)
    refused = [
        judge(PARAMS, seen(v1=first, v3=COUNT - first)).outcome is Outcome.FAILED
        for first in range(COUNT + 1)
    ]

    assert 0 < float(chances[refused].sum()) <= ALPHA


@pytest.mark.parametrize("seed", range(3))
def test_the_promise_holds_when_it_is_tried_out(seed: int) -> None:
    drawn = np.random.default_rng(seed).binomial(COUNT, 0.9, size=2_000)
    verdicts = {
        first: judge(PARAMS, seen(v1=first, v3=COUNT - first)).outcome is Outcome.FAILED
        for first in {int(each) for each in drawn}
    }
    refused = sum(verdicts[int(each)] for each in drawn)

    # With a true rate of ALPHA at most, more than this many come about once in a million times.
    assert refused <= binom.ppf(1 - 1e-6, len(drawn), ALPHA)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        pytest.param({"v1": 480, "v3": 120}, "expected 90%", id="eighty-twenty"),
        pytest.param({"v1": 60, "v3": 540}, "expected 90%", id="the-wrong-way-round"),
        pytest.param({"v1": 600}, "expected 90%", id="no-canary"),
        pytest.param({"v1": 540, "v3": 59, "v2": 1}, "went to reviews-v2", id="one-went-astray"),
        pytest.param(
            {"v1": 540, "nowhere": 60}, "were sent nowhere and answered 503", id="nowhere"
        ),
    ],
)
def test_wrong_weights_are_refused(counts: dict[str, int], words: str) -> None:
    found = judge(PARAMS, seen(**counts))

    assert found.outcome is Outcome.FAILED
    assert words in found.reason
    assert found.observation is not None


def test_too_few_observations_decide_nothing() -> None:
    assert judge(PARAMS, seen(v1=500, v3=59)).outcome is Outcome.UNDECIDED


def test_shares_have_to_add_up() -> None:
    with pytest.raises(ValidationError, match=r"add up to 0\.8, not to 1"):
        SplitParams(request=PARAMS.request, shares={"a": 0.5, "b": 0.3})
