"""Build the application: routes, guard, gradebook and workers of one server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from grader.gradebook import open_gradebook
from labs.server import failures, instructor_routes, job_routes, lab_routes, page
from labs.server.guard import Guard
from labs.server.jobs import Jobs
from labs.server.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """Return an application with a gradebook and workers of its own, ended by its lifespan."""
    book = open_gradebook(settings.database)
    jobs = Jobs(workers=settings.workers, limit_s=settings.limit_s)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await jobs.close()
            book.close()

    app = FastAPI(
        title="Meshdojo",
        version=version("meshdojo"),
        lifespan=lifespan,
        # The page of the API's documentation loads scripts from other machines.
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    failures.install(app)
    app.include_router(lab_routes.routes(settings, book, jobs))
    app.include_router(job_routes.routes(settings, book, jobs))
    app.include_router(instructor_routes.routes(book))
    app.include_router(page.routes(settings.page))
    app.add_middleware(Guard, body_max=settings.body_max)
    return app
