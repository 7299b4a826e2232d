from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from labs.server.failures import NotFoundError, UndecidedError
from labs.server.jobs import Jobs, State

_Found = TypeVar("_Found")


def _with_jobs(use: Callable[[Jobs], Awaitable[_Found]], limit_s: float = 60) -> _Found:
    async def work() -> _Found:
        jobs = Jobs(workers=1, limit_s=limit_s)
        try:
            return await use(jobs)
        finally:
            await jobs.close()

    return asyncio.run(work())


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _hang() -> None:
    threading.Event().wait()


def _fail() -> None:
    raise RuntimeError("a bug")


@pytest.mark.parametrize(
    ("task", "limit_s", "says"),
    [
        pytest.param(_die, 60, "stopped unexpectedly", id="killed"),
        pytest.param(_hang, 3, "took longer than 3 s", id="too-slow"),
        pytest.param(_fail, 60, "bug in Meshdojo", id="our-bug"),
    ],
)
def test_a_task_that_fails_is_undecided_and_the_next_one_runs(
    task: Callable[[], None], limit_s: float, says: str
) -> None:
    async def use(jobs: Jobs) -> tuple[str, State, int]:
        job = jobs.start(lambda found: found, task)
        over = await jobs.wait(job.id, 60)
        again = jobs.start(lambda found: found, os.getpid)
        await jobs.wait(again.id, 60)
        return over.message, over.state, again.result

    message, state, worker = _with_jobs(use, limit_s)

    assert says in message
    assert state is State.UNDECIDED
    assert worker != os.getpid()


def test_no_worker_outlives_its_server() -> None:
    async def use(jobs: Jobs) -> int:
        return await jobs.run(os.getpid)

    worker = _with_jobs(use)

    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def test_a_job_under_way_is_over_when_the_server_ends() -> None:
    async def use(jobs: Jobs) -> object:
        return jobs.start(lambda found: found, _hang)

    job = _with_jobs(use)

    assert getattr(job, "state", None) is State.UNDECIDED


def test_old_results_are_dropped() -> None:
    async def use(jobs: Jobs) -> None:
        first = jobs.start(lambda found: found, os.getpid)
        for _ in range(64):
            jobs.start(lambda found: found, os.getpid)
        with pytest.raises(NotFoundError):
            await jobs.wait(first.id, 0)

    _with_jobs(use)


def test_a_direct_run_raises_what_went_wrong() -> None:
    async def use(jobs: Jobs) -> None:
        with pytest.raises(UndecidedError, match="stopped unexpectedly"):
            await jobs.run(_die)

    _with_jobs(use)
