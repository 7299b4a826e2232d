"""The gradebook on a real SQLite file: migrations, reloads, two writers at once."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from grader.evidence import Engine, Outcome, Report, Verdict
from grader.gradebook import Gradebook, open_gradebook
from grader.gradebook.database import connect
from grader.gradebook.models import Table

_WRITES = 20


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/data/gradebook.db"


@pytest.fixture
def book(url: str) -> Iterator[Gradebook]:
    found = open_gradebook(url)
    yield found
    found.close()


def _report(outcome: Outcome = Outcome.PASSED, points: int = 5) -> Report:
    verdict = Verdict(
        check="split",
        says="Nine of ten",
        outcome=outcome,
        reason="seen",
        points=points,
        points_max=5,
    )
    return Report(
        version="1",
        lab="canary-release",
        title="Canary release",
        lab_digest="ab",
        workspace_digest="cd",
        engine=Engine.SIM,
        seed=7,
        verdicts=(verdict,),
        score=points,
        score_max=5,
    )


def test_migrations_make_what_the_models_say(url: str) -> None:
    engine = connect(url)
    with engine.connect() as connection:
        difference = compare_metadata(MigrationContext.configure(connection), Table.metadata)
    engine.dispose()

    assert difference == []


def test_opening_again_keeps_everything(url: str) -> None:
    first = open_gradebook(url)
    first.save_work("you", "canary-release", "reviews.yaml", "a: 1\n")
    first.close()
    second = open_gradebook(url)
    work = second.load_work("you", "canary-release")
    second.close()

    assert {name: each.text for name, each in work.items()} == {"reviews.yaml": "a: 1\n"}


def test_a_reader_does_not_lock_the_file(book: Gradebook, tmp_path: Path) -> None:
    book.save_work("you", "canary-release", "reviews.yaml", "")
    connection = sqlite3.connect(tmp_path / "data/gradebook.db")
    mode = connection.execute("PRAGMA journal_mode").fetchone()
    connection.close()

    assert mode == ("wal",)


def test_saving_counts_revisions_of_what_changed(book: Gradebook) -> None:
    saved = [
        book.save_work("you", "canary-release", "reviews.yaml", text).revision
        for text in ("", "a: 1\n", "a: 1\n", "a: 2\n")
    ]

    assert saved == [1, 2, 2, 3]


def test_work_belongs_to_its_learner_and_lab(book: Gradebook) -> None:
    book.save_work("you", "canary-release", "reviews.yaml", "mine")
    book.save_work("them", "canary-release", "reviews.yaml", "theirs")
    book.save_work("you", "other-lab", "reviews.yaml", "elsewhere")

    assert book.load_work("you", "canary-release")["reviews.yaml"].text == "mine"
    assert book.load_work("nobody", "canary-release") == {}


def test_attempts_are_found_by_lab_and_learner(book: Gradebook) -> None:
    book.add_attempt("you", _report(Outcome.FAILED, 0))
    book.add_attempt("them", _report())
    book.add_attempt("you", replace(_report(), lab="other-lab"))

    assert [each.learner for each in book.attempts(lab="canary-release")] == ["them", "you"]
    assert [each.lab for each in book.attempts(learner="you")] == ["other-lab", "canary-release"]
    assert book.attempts(lab="canary-release", learner="you")[0].verdicts == {"split": "failed"}
    assert book.attempts()[0].report["schema"] == "report.v1"


def test_standings_keep_the_best_attempt(book: Gradebook) -> None:
    for report in (_report(Outcome.FAILED, 0), _report(), _report(Outcome.UNDECIDED, 0)):
        last = book.add_attempt("you", report)
    (standing,) = book.standings()

    assert (standing.attempts, standing.best, standing.passed) == (3, 5, True)
    assert standing.last == last.at


def _write(url: str, learner: str) -> None:
    book = open_gradebook(url)
    for number in range(_WRITES):
        book.save_work(learner, "canary-release", "reviews.yaml", f"{number}")
        book.save_work("both", "canary-release", "reviews.yaml", f"{learner} {number}")
        book.add_attempt(learner, _report())
    book.close()


def test_two_writers_at_once_lose_nothing_even_on_a_new_file(url: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn) as pool:
        list(pool.map(_write, [url, url], ["you", "them"]))
    book = open_gradebook(url)
    attempts = book.attempts()
    both = book.load_work("both", "canary-release")["reviews.yaml"]
    book.close()

    assert len(attempts) == 2 * _WRITES
    assert both.revision == 2 * _WRITES
