"""What an instructor sees: every learner's attempts, check by check."""

from __future__ import annotations

from fastapi import APIRouter

from grader.gradebook import Gradebook
from labs.catalogue import labs
from labs.server.views import AttemptView, InstructorView, LabColumns, StandingView


def routes(book: Gradebook) -> APIRouter:
    """Return the routes, bound to one server's gradebook."""
    router = APIRouter(prefix="/api/instructor")

    @router.get("")
    def read() -> InstructorView:
        return InstructorView(
            labs=[
                LabColumns(
                    id=lab.id,
                    title=lab.title,
                    checks=[(each.id, each.says) for each in lab.checks],
                )
                for lab in labs()
            ],
            standings=[
                StandingView.model_validate(each, from_attributes=True) for each in book.standings()
            ],
            attempts=[
                AttemptView.model_validate(each, from_attributes=True) for each in book.attempts()
            ],
        )

    return router
