"""Every lab is fit for a learner: proved in the simulator, and written as the rest is."""

from __future__ import annotations

import json

import pytest
import yaml
from jsonschema import Draft202012Validator

from grader.evidence import Outcome
from grader.lab import Lab
from grader.schema import FOLDER
from grader.verify import verify
from labs.catalogue import CATALOG, UnknownLabError, lab, labs

LABS = labs()
SCHEMA = Draft202012Validator(json.loads((FOLDER / "lab.v1.json").read_text(encoding="utf-8")))


def named(lab: Lab) -> str:
    return lab.id


@pytest.mark.timeout(600)
@pytest.mark.parametrize("one", LABS, ids=named)
def test_a_lab_is_proved(one: Lab) -> None:
    """Start, solution and wrong answers, hints and files; see `grader.verify`."""
    unproved = [each for each in verify(one) if each.outcome is not Outcome.PASSED]

    assert [(each.what, each.reason) for each in unproved] == []


@pytest.mark.parametrize("one", LABS, ids=named)
def test_a_lab_follows_the_published_schema(one: Lab) -> None:
    written = yaml.safe_load((one.folder / "lab.yaml").read_text(encoding="utf-8"))

    assert [error.message for error in SCHEMA.iter_errors(written)] == []


@pytest.mark.parametrize("one", LABS, ids=named)
def test_a_lab_gives_a_hundred_points(one: Lab) -> None:
    assert sum(each.points for each in one.checks) == 100


@pytest.mark.parametrize("one", LABS, ids=named)
def test_instructions_name_what_is_to_be_edited_and_how_to_check_it(one: Lab) -> None:
    for name in one.files:
        assert f"`{name}`" in one.instructions
    assert f"meshdojo lab check {one.id}" in one.instructions


def test_no_two_labs_share_an_id_or_a_number() -> None:
    assert len({each.id for each in LABS}) == len(LABS)
    numbers = [(path.parent.name, path.name[:2]) for path in CATALOG.glob("*/*") if path.is_dir()]
    assert len(set(numbers)) == len(numbers) >= 1


def test_an_unknown_lab_is_told_with_the_nearest() -> None:
    with pytest.raises(UnknownLabError, match="Try: canary-release"):
        lab("canary-relase")
