"""A server on a real SQLite file, asked through its own door."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from labs.catalogue import lab
from labs.server.app import create_app
from labs.server.settings import Settings

LAB = lab("canary-release")
START = {name: (LAB.start_folder / name).read_text(encoding="utf-8") for name in LAB.files}
SOLUTION = {name: (LAB.solution_folder / name).read_text(encoding="utf-8") for name in LAB.files}


class Client:
    """Asks an application that lives in a thread of its own."""

    def __init__(self, portal: BlockingPortal, http: httpx.AsyncClient) -> None:
        self._portal = portal
        self._http = http

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self._portal.call(partial(self._http.get, path, **more))

    def put(self, path: str, **more: Any) -> httpx.Response:
        return self._portal.call(partial(self._http.put, path, **more))

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self._portal.call(partial(self._http.post, path, **more))


@contextmanager
def connect(settings: Settings, address: str = "127.0.0.1") -> Iterator[Client]:
    """Yield a client at an address, of a server that lives as long."""
    with start_blocking_portal() as portal:
        app = portal.call(create_app, settings)
        transport = httpx.ASGITransport(app, client=(address, 5000))
        http = httpx.AsyncClient(transport=transport, base_url="http://localhost:8080")
        with portal.wrap_async_context_manager(app.router.lifespan_context(app)):
            yield Client(portal, http)
        portal.call(http.aclose)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return settings whose files are this test's own."""
    return Settings(
        database=f"sqlite:///{tmp_path / 'gradebook.db'}", page=tmp_path / "dist", workers=1
    )


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    """Yield a client on this machine."""
    with connect(settings) as found:
        yield found


@pytest.fixture
def over(client: Client) -> Callable[..., dict[str, Any]]:
    """Return a function that starts a job and returns it when it is over."""

    def run(what: str, **body: object) -> dict[str, Any]:
        started = client.post(f"/api/labs/{LAB.id}/{what}", json=body)
        assert started.status_code == 202, started.text
        job: dict[str, Any] = started.json()
        while job["state"] == "running":
            job = client.get(f"/api/jobs/{job['id']}", params={"wait": 20}).json()
        return job

    return run
