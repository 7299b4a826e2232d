"""What takes a moment: simulate, check, explain. Each gives a job to ask after."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from grader.evidence import Report
from grader.gradebook import Gradebook
from grader.report.json import document
from labs.server import tasks
from labs.server.failures import NotFoundError
from labs.server.jobs import Job, Jobs
from labs.server.lab_routes import checked, find_lab
from labs.server.settings import Settings
from labs.server.views import JobView, RefusedView, ReportView, SimulationView, Texts, WhyBody
from simulator.observe.observation import Observation

_WAIT_MAX_S = 20.0


def routes(settings: Settings, book: Gradebook, jobs: Jobs) -> APIRouter:
    """Return the routes, bound to one server's gradebook and workers."""
    router = APIRouter(prefix="/api")

    @router.post("/labs/{name}/simulate", status_code=202)
    async def simulate(name: str, body: Texts) -> JobView:
        lab = find_lab(name)
        texts = checked(lab, body.files, settings)
        return _view(jobs.start(_simulated, tasks.simulate, lab.folder, texts))

    @router.post("/labs/{name}/check", status_code=202)
    async def check(name: str, body: Texts) -> JobView:
        lab = find_lab(name)
        texts = checked(lab, body.files, settings)

        def keep(report: Report) -> dict[str, object]:
            book.add_attempt(settings.learner, report)
            return {"report": ReportView.model_validate(document(report))}

        return _view(jobs.start(keep, tasks.check, lab.folder, texts))

    @router.post("/labs/{name}/why", status_code=202)
    async def why(name: str, body: WhyBody) -> JobView:
        lab = find_lab(name)
        if body.situation and body.situation not in lab.situations:
            raise NotFoundError(f"There is no situation {body.situation} in this lab.")
        texts = checked(lab, body.files, settings)
        return _view(
            jobs.start(_explained, tasks.explain, lab.folder, texts, body.request, body.situation)
        )

    @router.get("/jobs/{id}")
    async def read_job(
        id: str,  # noqa: A002 - the path's name
        wait: Annotated[float, Query(ge=0, le=_WAIT_MAX_S)] = 0,
    ) -> JobView:
        return _view(await jobs.wait(id, wait))

    return router


def _simulated(found: tasks.Simulated | tasks.Refused) -> dict[str, object]:
    if isinstance(found, tasks.Refused):
        return _refused(found)
    view = SimulationView.model_validate(found, from_attributes=True)
    return {"simulation": view}


def _explained(found: Observation | tasks.Refused) -> dict[str, object]:
    return _refused(found) if isinstance(found, tasks.Refused) else {"observation": found}


def _refused(found: tasks.Refused) -> dict[str, object]:
    return {"refused": RefusedView(message=found.message, diagnostics=found.diagnostics)}


def _view(job: Job) -> JobView:
    return JobView.model_validate(
        {
            "id": job.id,
            "state": job.state,
            "message": job.message,
            "hint": job.hint,
            **(job.result or {}),
        }
    )
