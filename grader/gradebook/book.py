"""The gradebook: save work so that a reload loses nothing; keep what every attempt was worth."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Engine, case, func, select
from sqlalchemy.orm import Session

from grader.evidence import Outcome, Report
from grader.gradebook.database import connect, writing
from grader.gradebook.models import AttemptRow, LearnerRow, VerdictRow, WorkRow
from grader.gradebook.records import Attempt, Standing, Work
from grader.report.json import document


def open_gradebook(url: str) -> Gradebook:
    """Return the gradebook at a SQLAlchemy URL, such as `sqlite:///gradebook.db`."""
    return Gradebook(connect(url))


class Gradebook:
    """Learners, their files and their attempts. May be used by several threads at once."""

    def __init__(self, engine: Engine) -> None:
        self._reads = engine
        self._writes = writing(engine)

    def close(self) -> None:
        """Let go of the database."""
        self._reads.dispose()

    def save_work(self, learner: str, lab: str, file: str, text: str) -> Work:
        """Keep a file; the last one to save wins, and the revision counts."""
        with Session(self._writes) as session, session.begin():
            owner = _learner(session, learner)
            row = session.scalar(select(WorkRow).filter_by(learner_id=owner.id, lab=lab, file=file))
            if row is None:
                row = WorkRow(learner_id=owner.id, lab=lab, file=file, text="", revision=0)
                session.add(row)
            if row.revision == 0 or row.text != text:
                row.text, row.updated = text, datetime.now(UTC)
                row.revision += 1
            return _work(row)

    def load_work(self, learner: str, lab: str) -> dict[str, Work]:
        """Return a learner's files of a lab by name; empty when nothing was ever saved."""
        query = (
            select(WorkRow)
            .join(LearnerRow)
            .where(LearnerRow.name == learner, WorkRow.lab == lab)
            .order_by(WorkRow.file)
        )
        with Session(self._reads) as session:
            return {row.file: _work(row) for row in session.scalars(query)}

    def add_attempt(self, learner: str, report: Report) -> Attempt:
        """Keep what an attempt was worth."""
        with Session(self._writes) as session, session.begin():
            row = AttemptRow(
                learner=_learner(session, learner),
                lab=report.lab,
                at=datetime.now(UTC),
                engine=report.engine.value,
                outcome=report.outcome.value,
                score=report.score,
                score_max=report.score_max,
                lab_digest=report.lab_digest,
                workspace_digest=report.workspace_digest,
                report=document(report),
                verdicts=[
                    VerdictRow(check_id=each.check, outcome=each.outcome.value, points=each.points)
                    for each in report.verdicts
                ],
            )
            session.add(row)
            session.flush()
            return _attempt(row)

    def attempts(self, lab: str | None = None, learner: str | None = None) -> tuple[Attempt, ...]:
        """Return attempts, the newest first."""
        query = select(AttemptRow).join(LearnerRow).order_by(AttemptRow.id.desc())
        if lab is not None:
            query = query.where(AttemptRow.lab == lab)
        if learner is not None:
            query = query.where(LearnerRow.name == learner)
        with Session(self._reads) as session:
            return tuple(_attempt(row) for row in session.scalars(query))

    def standings(self) -> tuple[Standing, ...]:
        """Return how far every learner has come with every lab that was tried."""
        passed = case((AttemptRow.outcome == Outcome.PASSED.value, 1), else_=0)
        query = (
            select(
                LearnerRow.name,
                AttemptRow.lab,
                func.count(AttemptRow.id),
                func.max(AttemptRow.score),
                func.max(AttemptRow.score_max),
                func.max(passed),
                func.max(AttemptRow.at),
            )
            .join(AttemptRow, AttemptRow.learner_id == LearnerRow.id)
            .group_by(LearnerRow.name, AttemptRow.lab)
            .order_by(LearnerRow.name, AttemptRow.lab)
        )
        with Session(self._reads) as session:
            return tuple(
                Standing(
                    learner=name,
                    lab=lab,
                    attempts=attempts,
                    best=best,
                    score_max=score_max,
                    passed=bool(has_passed),
                    last=last,
                )
                for name, lab, attempts, best, score_max, has_passed, last in session.execute(query)
            )


def _learner(session: Session, name: str) -> LearnerRow:
    row = session.scalar(select(LearnerRow).filter_by(name=name))
    if row is None:
        row = LearnerRow(name=name)
        session.add(row)
        session.flush()
    return row


def _work(row: WorkRow) -> Work:
    return Work(
        lab=row.lab, file=row.file, text=row.text, revision=row.revision, updated=row.updated
    )


def _attempt(row: AttemptRow) -> Attempt:
    return Attempt(
        id=row.id,
        learner=row.learner.name,
        lab=row.lab,
        at=row.at,
        engine=row.engine,
        outcome=row.outcome,
        score=row.score,
        score_max=row.score_max,
        verdicts={each.check_id: each.outcome for each in row.verdicts},
        report=row.report,
    )
