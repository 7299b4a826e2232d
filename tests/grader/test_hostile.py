"""Whatever is handed in, the answer is marks with a reason: never a traceback, never a hang."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.evidence import Outcome, Report
from grader.grade import grade
from grader.report import json as json_report
from grader.report import text as text_report
from tests.grader.labs import LAB, solved

REVIEWS = (LAB.solution_folder / "reviews.yaml").read_text(encoding="utf-8")
RATINGS = (LAB.solution_folder / "ratings.yaml").read_text(encoding="utf-8")
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def with_object(kind: str, version: str, rest: str) -> str:
    return f"{REVIEWS}---\napiVersion: {version}\nkind: {kind}\n{rest}\n"


def marks(folder: Path) -> dict[str, tuple[Outcome, str]]:
    report = grade(LAB, folder)
    text_report.text(report).encode()
    json_report.text(report).encode()
    return {each.check: (each.outcome, each.reason) for each in report.verdicts}


UNREADABLE = [
    pytest.param(b"#" * (1 << 24), "more than 65536 bytes", id="sixteen-megabytes"),
    pytest.param(b"a: \x00", "U+0000", id="a-nul"),
    pytest.param("a: é".encode("latin-1"), "not UTF-8", id="latin-1"),
    pytest.param("a: b".encode("utf-16"), "not UTF-8", id="utf-16"),
    pytest.param(BOMB.encode(), "Aliases", id="an-alias-bomb"),
    pytest.param(b"a: &a [*a]", "contains itself", id="an-anchor-in-itself"),
    pytest.param(b"[" * 60_000, "deeper than 64", id="sixty-thousand-brackets"),
    pytest.param(b"---\na: 1\n" * 7_000, "`kind` is missing", id="seven-thousand-documents"),
    pytest.param(b'!!python/object/apply:os.system ["id"]', "tag", id="a-tag-that-calls-python"),
    pytest.param(b"just text", "no Kubernetes object", id="just-text"),
    pytest.param(b"kind: 5\napiVersion: v1", "expected text", id="a-kind-that-is-a-number"),
    pytest.param(
        REVIEWS.replace("weight: 90", "weight: " + "9" * 60_000).encode(),
        "too large",
        id="a-number-of-sixty-thousand-digits",
    ),
    pytest.param(
        REVIEWS.replace("exact: jason", 'regex: "(a+)+$(("').encode(),
        "missing )",
        id="a-broken-regular-expression",
    ),
]


@pytest.mark.parametrize(("data", "words"), UNREADABLE)
def test_a_file_that_cannot_be_used_fails_with_its_reason(
    data: bytes, words: str, tmp_path: Path
) -> None:
    (solved(tmp_path) / "reviews.yaml").write_bytes(data)

    found = marks(tmp_path)

    tried = [found[check] for check in ("page", "tester", "split", "steady")]
    assert {outcome for outcome, _ in tried} == {Outcome.FAILED}
    assert all(words in reason for _, reason in tried)


FORBIDDEN = [
    pytest.param(
        with_object("EnvoyFilter", "networking.istio.io/v1alpha3", "metadata: {name: x}\nspec: {}"),
        "kind EnvoyFilter are not allowed",
        id="an-envoy-filter",
    ),
    pytest.param(
        with_object("WasmPlugin", "extensions.istio.io/v1alpha1", "metadata: {name: x}\nspec: {}"),
        "kind WasmPlugin are not allowed",
        id="a-wasm-plugin",
    ),
    pytest.param(
        with_object("List", "v1", "items: [{apiVersion: v1, kind: Secret, metadata: {name: x}}]"),
        "kind Secret are not allowed",
        id="a-secret-inside-a-list",
    ),
    pytest.param(
        with_object(
            "Service",
            "v1",
            "metadata: {name: ratings}\nspec: {selector: {app: details}, ports: [{port: 9080}]}",
        ),
        "kind Service are not allowed",
        id="another-service-behind-a-given-name",
    ),
    pytest.param(
        with_object(
            "VirtualService",
            "networking.istio.io/v1",
            "metadata: {name: bookshop}\nspec: {hosts: [bookshop.example], gateways: [bookshop],"
            " http: [{directResponse: {status: 200}}]}",
        ),
        "VirtualService bookshop.default: This object is given by the lab",
        id="an-object-of-the-labs-own",
    ),
]


@pytest.mark.parametrize(("text", "words"), FORBIDDEN)
def test_what_is_not_the_learners_to_change_is_refused(
    text: str, words: str, tmp_path: Path
) -> None:
    (solved(tmp_path) / "reviews.yaml").write_text(text, encoding="utf-8")

    found = marks(tmp_path)

    assert found["steady"][0] is Outcome.FAILED
    assert words in found["steady"][1]
    assert "reviews.yaml:" in found["steady"][1]


def _gone(path: Path) -> None:
    path.unlink()


def _link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


IN_PLACE_OF_A_FILE: list[tuple[Callable[[Path], None], str]] = [
    (_gone, "The folder given holds no reviews.yaml."),
    (_link, "reviews.yaml is a link and was not read."),
    (_pipe, "reviews.yaml is a pipe and was not read."),
    (_folder, "reviews.yaml is a folder and was not read."),
]


@pytest.mark.parametrize(("put", "words"), IN_PLACE_OF_A_FILE)
def test_what_is_no_plain_file_is_not_read(
    put: Callable[[Path], None], words: str, tmp_path: Path
) -> None:
    put(solved(tmp_path) / "reviews.yaml")

    found = marks(tmp_path)

    assert found["clean"][0] is Outcome.FAILED
    assert found["clean"][1].startswith(words)


def test_retries_without_end_stop_the_simulation_and_not_the_grader(tmp_path: Path) -> None:
    endless = RATINGS.replace("attempts: 2", "attempts: 1000000000").replace("800ms", "9999h")
    (solved(tmp_path) / "ratings.yaml").write_text(
        endless.replace("200ms", "1ms"), encoding="utf-8"
    )

    found = marks(tmp_path)

    assert found["steady"][0] is Outcome.FAILED
    assert "retries without end" in found["clean"][1]


def test_files_that_do_not_belong_there_change_nothing(tmp_path: Path) -> None:
    solved(tmp_path)
    for name in ("lab.yaml", "app.yaml", "sitecustomize.py", "\x1b[2J.yaml"):
        (tmp_path / name).write_text("checks: []\n", encoding="utf-8")
    (tmp_path / os.fsdecode(b"\xff.yaml")).write_text("", encoding="utf-8")

    report = grade(LAB, tmp_path)

    assert report.score == report.score_max
    undeclared = [each.message for each in report.diagnostics if each.code == "undeclared-file"]
    assert len(undeclared) == 3
    assert all(each.isprintable() and each.isascii() for each in undeclared)


def test_a_report_cannot_move_the_cursor_of_a_terminal(tmp_path: Path) -> None:
    (solved(tmp_path) / "reviews.yaml").write_text(
        REVIEWS.replace("exact: jason", r'exact: "\e[2J"'), encoding="utf-8"
    )
    report: Report = grade(LAB, tmp_path)

    assert any("\x1b" in each.reason for each in report.verdicts)
    assert "\x1b" not in text_report.text(report)


def test_the_next_submission_is_marked_as_if_nothing_had_been(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.mkdir()
    shutil.copytree(LAB.solution_folder, bad)
    (bad / "reviews.yaml").write_text(BOMB, encoding="utf-8")
    before = json_report.text(grade(LAB, solved(good)))
    grade(LAB, bad)

    assert json_report.text(grade(LAB, good)) == before
