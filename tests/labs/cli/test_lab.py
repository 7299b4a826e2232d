from __future__ import annotations

import json
from pathlib import Path

import pytest

from labs.catalogue import lab
from tests.labs.cli.conftest import Command

LAB = "canary-release"


def test_labs_are_listed_and_shown(meshdojo: Command) -> None:
    assert LAB in meshdojo("lab", "list").out
    listed = json.loads(meshdojo("lab", "list", "-o", "json").out)["labs"]
    assert LAB in [each["id"] for each in listed]

    shown = meshdojo("lab", "show", LAB).out
    assert "lab start canary-release" in shown
    for check in lab(LAB).checks:
        assert check.says in shown
    assert json.loads(meshdojo("lab", "show", LAB, "-o", "json").out)["id"] == LAB


def test_a_start_fails_and_its_hint_is_named(meshdojo: Command, tmp_path: Path) -> None:
    begun = meshdojo("lab", "start", LAB, tmp_path / "work")
    assert (begun.code, f"wrote {tmp_path}/work/reviews.yaml" in begun.out) == (0, True)

    found = meshdojo("lab", "check", LAB, tmp_path / "work")

    assert found.code == 1
    assert "[no] tester" in found.out
    assert f"Next: meshdojo lab hint {LAB} tester" in found.out


def test_the_solution_passes(meshdojo: Command, tmp_path: Path) -> None:
    assert meshdojo("lab", "solve", LAB, tmp_path).code == 0

    found = meshdojo("lab", "check", LAB, tmp_path, "-o", "json")

    report = json.loads(found.out)
    assert (found.code, report["outcome"], report["score"]) == (0, "passed", 100)


def test_work_is_never_overwritten(meshdojo: Command, tmp_path: Path) -> None:
    (tmp_path / "reviews.yaml").write_text("mine")

    for verb in ("start", "solve"):
        found = meshdojo("lab", verb, LAB, tmp_path)
        assert found.code == 2
        assert "nothing was written" in found.err
    assert [each.name for each in tmp_path.iterdir()] == ["reviews.yaml"]


def test_the_solution_is_shown(meshdojo: Command) -> None:
    shown = meshdojo("lab", "solve", LAB).out

    for name in lab(LAB).files:
        assert (lab(LAB).solution_folder / name).read_text() in shown


def test_hints_get_plainer(meshdojo: Command) -> None:
    hints = [meshdojo("lab", "hint", LAB, "tester", "--level", level).out for level in (1, 2, 3)]

    assert len(set(hints)) == 3
    assert "--level 2" in hints[0]
    assert "More:" not in hints[2]


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        pytest.param(["show", "canary-releas"], f"Try: {LAB}", id="an-unknown-lab"),
        pytest.param(["hint", LAB, "testr"], "did you mean `tester`?", id="an-unknown-check"),
        pytest.param(
            ["hint", LAB, "tester", "--level", "4"],
            "less than or equal to 3",
            id="a-level-too-many",
        ),
        pytest.param(["check", LAB, "nowhere"], f"lab start {LAB}", id="no-folder"),
    ],
)
def test_wrong_usage(meshdojo: Command, arguments: list[str], wanted: str) -> None:
    found = meshdojo("lab", *arguments)

    assert (found.code, found.out) == (2, "")
    assert wanted in found.err
