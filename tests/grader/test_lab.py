"""A lab's author is told what is wrong with it, and where."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.evidence import Outcome
from grader.lab import Lab, LabError
from grader.verify import Proof, verify
from tests.grader.labs import CANARY


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CANARY, tmp_path / "lab"))


REFUSED = [
    pytest.param("kind: split", "kind: spilt", "kind", id="an-unknown-kind-of-check"),
    pytest.param(
        "after: [tester, steady]",
        "after: [tester, steadfast]",
        "restraint comes after steadfast, which is no earlier check",
        id="after-an-unknown-check",
    ),
    pytest.param(
        "    id: tester\n    kind: probe\n".replace("    id", "  - id"),
        "  - id: tester\n    kind: probe\n    after: [restraint]\n",
        "tester comes after restraint, which is no earlier check",
        id="a-circle",
    ),
    pytest.param(
        "situation: ratings-hangs",
        "situation: ratings-sleeps",
        "restraint needs the situation ratings-sleeps, which is unknown",
        id="an-unknown-situation",
    ),
    pytest.param("  - id: page\n", "  - id: clean\n", "two checks are called clean", id="twice"),
    pytest.param(
        "fails: [tester, split, steady]",
        "fails: [tester, splot]",
        "there is no check splot that could fail",
        id="an-unknown-check-fails",
    ),
    pytest.param("points: 15", "points: lots", "points", id="points-in-words"),
    pytest.param("title: Canary", "titel: Canary", "titel", id="a-field-misspelt"),
    pytest.param("reviews-v3: 0.1}", "reviews-v3: 0.2}", "add up to 1.1", id="shares-beyond-1"),
    pytest.param("count: 600", "count: 1000000000", "count", id="a-billion-requests"),
    pytest.param("files: [reviews.yaml", "files: [../x.yaml", "files", id="a-file-elsewhere"),
]


@pytest.mark.parametrize(("old", "new", "words"), REFUSED)
def test_a_lab_that_is_not_right_is_refused(old: str, new: str, words: str, folder: Path) -> None:
    file = folder / "lab.yaml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")

    with pytest.raises(LabError) as caught:
        Lab.load(folder)

    told = [each for each in caught.value.diagnostics if words in str(each)]
    assert told
    assert all(each.position and each.position.file == str(file) for each in told)
    line = text[: text.index(old)].count("\n") + 1
    lines = [each.position.line for each in told if each.position]
    assert all(abs(each - line) <= 2 for each in lines)


@pytest.mark.parametrize("name", ["lab.yaml", "scenario.yaml", "README.md", "hints.md"])
def test_a_missing_file_is_named(name: str, folder: Path) -> None:
    (folder / name).unlink()

    with pytest.raises(LabError, match=name):
        Lab.load(folder)


def _no_hints(folder: Path) -> None:
    text = (folder / "hints.md").read_text(encoding="utf-8")
    (folder / "hints.md").write_text(text.replace("## split", "## spilt"), encoding="utf-8")


def _stray(folder: Path) -> None:
    (folder / "solution" / "notes.txt").write_text("later", encoding="utf-8")


def _no_difference(folder: Path) -> None:
    (folder / "wrong" / "weights-swapped" / "reviews.yaml").unlink()


def _solved_from_the_start(folder: Path) -> None:
    for name in ("reviews.yaml", "ratings.yaml"):
        shutil.copyfile(folder / "solution" / name, folder / "start" / name)


def _wrong_solution(folder: Path) -> None:
    shutil.copyfile(folder / "start" / "ratings.yaml", folder / "solution" / "ratings.yaml")


def _other_reason(folder: Path) -> None:
    file = folder / "lab.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("because: expected 90%", "because: too blue"), encoding="utf-8")


UNPROVED: list[tuple[Callable[[Path], None], str, str]] = [
    (_no_hints, "hints", "split has 0 hints, not 3; there are hints for spilt"),
    (_stray, "files", "solution/notes.txt is not declared in lab.yaml"),
    (_no_difference, "files", "wrong/weights-swapped differs from the solution in nothing"),
    (_solved_from_the_start, "start", "tester does not fail; split does not fail"),
    (_wrong_solution, "solution", "steady is failed: Request stars"),
    (_other_reason, "wrong/weights-swapped", "split does not say 'too blue' but: 61 of 600"),
]


@pytest.mark.parametrize(("spoil", "what", "words"), UNPROVED)
def test_a_lab_that_is_not_fit_is_not_proved(
    spoil: Callable[[Path], None], what: str, words: str, folder: Path
) -> None:
    spoil(folder)

    proof = _proof(Lab.load(folder), what)

    assert proof.outcome is Outcome.FAILED
    assert words in proof.reason


def _proof(lab: Lab, what: str) -> Proof:
    return next(each for each in verify(lab) if each.what == what)
