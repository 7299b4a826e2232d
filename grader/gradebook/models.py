"""The gradebook's tables. A change here needs a migration; a test compares the two."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    DateTime,
    Dialect,
    ForeignKey,
    MetaData,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Moment(TypeDecorator[datetime]):
    """A moment in UTC: SQLite keeps no time zone, so none is stored and one is added again."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return what is stored."""
        del dialect
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ANN401
        """Return what was stored."""
        del dialect
        return None if value is None else value.replace(tzinfo=UTC)


class Table(DeclarativeBase):
    """A table of the gradebook."""

    # Named constraints can be changed by later migrations, on SQLite too.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class LearnerRow(Table):
    """Somebody who learns; on one's own machine there is just `you`."""

    __tablename__ = "learners"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)


class WorkRow(Table):
    """A file as a learner left it."""

    __tablename__ = "work"
    __table_args__ = (UniqueConstraint("learner_id", "lab", "file"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    learner_id: Mapped[int] = mapped_column(ForeignKey("learners.id"))
    lab: Mapped[str]
    file: Mapped[str]
    text: Mapped[str]
    revision: Mapped[int]
    updated: Mapped[datetime] = mapped_column(Moment)


class AttemptRow(Table):
    """Work that was marked; never changed afterwards."""

    __tablename__ = "attempts"

    id: Mapped[int] = mapped_column(primary_key=True)
    learner_id: Mapped[int] = mapped_column(ForeignKey("learners.id"), index=True)
    lab: Mapped[str] = mapped_column(index=True)
    at: Mapped[datetime] = mapped_column(Moment)
    engine: Mapped[str]
    outcome: Mapped[str]
    score: Mapped[int]
    score_max: Mapped[int]
    lab_digest: Mapped[str]
    workspace_digest: Mapped[str]
    report: Mapped[dict[str, Any]] = mapped_column(JSON)
    learner: Mapped[LearnerRow] = relationship(lazy="joined")
    verdicts: Mapped[list[VerdictRow]] = relationship(
        order_by="VerdictRow.id", lazy="selectin", back_populates="attempt"
    )


class VerdictRow(Table):
    """What became of one check in an attempt: the row that item analysis counts."""

    __tablename__ = "verdicts"
    __table_args__ = (UniqueConstraint("attempt_id", "check_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"))
    check_id: Mapped[str]
    outcome: Mapped[str]
    points: Mapped[int]
    attempt: Mapped[AttemptRow] = relationship(back_populates="verdicts")
