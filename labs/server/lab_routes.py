"""Labs and the work on them: list, read, hint, save, diagnose."""

from __future__ import annotations

import threading

from fastapi import APIRouter
from markdown_it import MarkdownIt

from grader.checks import KINDS
from grader.gradebook import Gradebook, Standing, Work
from grader.lab import Check, Lab
from labs.catalogue import UnknownLabError, labs
from labs.catalogue import lab as lab_of
from labs.server import tasks
from labs.server.failures import ConflictError, NotFoundError, TooLargeError
from labs.server.jobs import Jobs
from labs.server.settings import Settings
from labs.server.views import (
    AskedRequest,
    CheckView,
    DiagnosticsView,
    FileView,
    HintView,
    LabCard,
    LabView,
    SaveBody,
    Saved,
    Texts,
)
from simulator.config.load import load
from simulator.istiod.registry import Mesh

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


def find_lab(name: str) -> Lab:
    """Return a lab. Raises NotFoundError."""
    try:
        return lab_of(name)
    except UnknownLabError as error:
        raise NotFoundError(str(error), "Choose a lab from the list.") from error


def checked(lab: Lab, texts: dict[str, str], settings: Settings) -> dict[str, str]:
    """Return a learner's texts. Raises NotFoundError or TooLargeError."""
    for name, text in texts.items():
        if name not in lab.files:
            raise NotFoundError(
                f"{name} is no file of yours in this lab.", f"Edit {', '.join(lab.files)}."
            )
        if len(text.encode()) > settings.text_max:
            raise TooLargeError(
                f"{name} is larger than {settings.text_max // 1024} KiB.",
                "A lab's files are a few dozen lines; remove what does not belong there.",
            )
    return texts


def routes(settings: Settings, book: Gradebook, jobs: Jobs) -> APIRouter:
    """Return the routes, bound to one server's gradebook and workers."""
    router = APIRouter(prefix="/api/labs")
    saving = threading.Lock()

    @router.get("")
    def list_labs() -> list[LabCard]:
        mine = {each.lab: each for each in book.standings() if each.learner == settings.learner}
        return [
            _card(each, mine.get(each.id), begun=bool(book.load_work(settings.learner, each.id)))
            for each in labs()
        ]

    @router.get("/{name}")
    def read_lab(name: str) -> LabView:
        lab = find_lab(name)
        attempts = book.attempts(lab.id, settings.learner)
        report = attempts[0].report if attempts else None
        return _view(lab, book.load_work(settings.learner, lab.id), report)

    @router.get("/{name}/checks/{check}/hints/{level}")
    def read_hint(name: str, check: str, level: int) -> HintView:
        lab = find_lab(name)
        hints = lab.hints.get(check, ())
        if not 1 <= level <= len(hints):
            raise NotFoundError(f"There is no hint {level} for {check}.")
        html = _MARKDOWN.render(hints[level - 1])
        return HintView(level=level, levels=len(hints), html=html)

    @router.put("/{name}/work/{file}")
    def save_work(name: str, file: str, body: SaveBody) -> Saved:
        lab = find_lab(name)
        checked(lab, {file: body.text}, settings)
        with saving:
            kept = book.load_work(settings.learner, lab.id).get(file)
            revision = kept.revision if kept else 0
            if kept and revision != body.revision and kept.text != body.text:
                raise ConflictError(
                    f"{file} was changed in another window.",
                    "Take that version, or keep yours and overwrite it.",
                    text=kept.text,
                    revision=revision,
                )
            work = book.save_work(settings.learner, lab.id, file, body.text)
        return Saved(file=file, revision=work.revision, updated=work.updated)

    @router.post("/{name}/diagnostics")
    async def diagnose(name: str, body: Texts) -> DiagnosticsView:
        lab = find_lab(name)
        texts = checked(lab, body.files, settings)
        return DiagnosticsView(diagnostics=await jobs.run(tasks.diagnose, lab.folder, texts))

    return router


def _card(lab: Lab, standing: Standing | None, *, begun: bool) -> LabCard:
    return LabCard(
        id=lab.id,
        title=lab.title,
        module=lab.module,
        summary=lab.summary,
        minutes=lab.minutes,
        points=sum(each.points for each in lab.checks),
        checks=len(lab.checks),
        best=standing.best if standing else None,
        passed=standing is not None and standing.passed,
        begun=begun or standing is not None,
    )


def _view(lab: Lab, work: dict[str, Work], report: object) -> LabView:
    given = list(dict.fromkeys(lab.given))
    manifests = [str(lab.folder / name) for name in lab.scenario.manifests]
    mesh = Mesh.of(load(manifests))
    workloads = {pod.deployment: pod.gateway for pod in mesh.pods if pod.proxied}
    return LabView.model_validate(
        {
            "id": lab.id,
            "title": lab.title,
            "module": lab.module,
            "summary": lab.summary,
            "minutes": lab.minutes,
            "objectives": lab.objectives,
            "instructions": _MARKDOWN.render(lab.instructions),
            "files": [_file(lab, name, work.get(name)) for name in (*lab.files, *given)],
            "checks": [_check(lab, each) for each in lab.checks],
            "workloads": sorted(name for name, gateway in workloads.items() if not gateway),
            "gateways": sorted(name for name, gateway in workloads.items() if gateway),
            "situations": {name: each.says for name, each in lab.situations.items()},
            "report": report,
        }
    )


def _file(lab: Lab, name: str, work: Work | None) -> FileView:
    editable = name in lab.files
    folder = lab.start_folder if editable else lab.folder
    start = (folder / name).read_text(encoding="utf-8")
    return FileView(
        name=name,
        text=work.text if work else start,
        start=start,
        revision=work.revision if work else 0,
        editable=editable,
    )


def _check(lab: Lab, check: Check) -> CheckView:
    plan = KINDS[check.kind].plan(check.params)
    return CheckView(
        id=check.id,
        says=check.says,
        kind=check.kind,
        points=check.points,
        after=check.after,
        hints=len(lab.hints.get(check.id, ())),
        situation=plan.situation,
        requests=[
            AskedRequest(id=each.id or "", request=each.model_copy(update={"count": 1}))
            for each in plan.requests
        ],
    )
