"""Run tasks in worker processes: bounded in time, and never the server's undoing.

A worker that dies or runs out of time leaves its job *undecided*; the pool is built anew.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import resource
import signal
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from enum import StrEnum
from multiprocessing import resource_tracker
from secrets import token_hex
from typing import Any, ParamSpec, TypeVar

from labs.server import tasks
from labs.server.failures import NotFoundError, ServerError, UndecidedError

_log = logging.getLogger(__name__)
_Args = ParamSpec("_Args")
_Result = TypeVar("_Result")
_KEPT = 64
"""Finished jobs that can still be asked for."""
_MEMORY_MAX = 4 << 30


class State(StrEnum):
    """How far a job is."""

    RUNNING = "running"
    DONE = "done"
    UNDECIDED = "undecided"


@dataclass(slots=True, kw_only=True)
class Job:
    """Something that takes a moment."""

    id: str
    state: State = State.RUNNING
    result: Any = None
    message: str = ""
    hint: str = ""
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Jobs:
    """The worker processes, and what they were asked to do."""

    def __init__(self, *, workers: int, limit_s: float) -> None:
        self._workers = workers
        self._limit_s = limit_s
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._running: set[asyncio.Task[None]] = set()
        self._warm: list[Future[None]] = []
        self._pool = self._new_pool()

    def start(
        self,
        finish: Callable[[_Result], Any],
        task: Callable[_Args, _Result],
        *args: _Args.args,
        **kwargs: _Args.kwargs,
    ) -> Job:
        """Begin a task; what `finish` makes of its result becomes the job's."""
        job = Job(id=token_hex(8))
        self._jobs[job.id] = job
        while len(self._jobs) > _KEPT:
            self._jobs.popitem(last=False)

        async def work() -> None:
            try:
                found = await self.run(task, *args, **kwargs)
                job.result = await asyncio.to_thread(finish, found)
                job.state = State.DONE
            except ServerError as failure:
                job.state, job.message, job.hint = State.UNDECIDED, failure.message, failure.hint
            finally:
                _stop(job)

        running = asyncio.create_task(work())
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return job

    async def wait(self, id: str, wait_s: float) -> Job:  # noqa: A002 - the field's name
        """Return a job when it is over, or after `wait_s`. Raises NotFoundError."""
        job = self._jobs.get(id)
        if job is None:
            raise NotFoundError(f"There is no job {id}.", "Start it again; old results go.")
        if wait_s > 0:
            try:
                await asyncio.wait_for(job.over.wait(), wait_s)
            except TimeoutError:
                return job
        return job

    async def run(
        self, task: Callable[_Args, _Result], *args: _Args.args, **kwargs: _Args.kwargs
    ) -> _Result:
        """Return a task's result. Raises UndecidedError if it died, took too long or has a bug."""
        pool = self._pool
        # The limit is for the work, not for the start of who works.
        await asyncio.wait(map(asyncio.wrap_future, self._warm), return_when="FIRST_COMPLETED")
        try:
            future = pool.submit(task, *args, **kwargs)
            return await asyncio.wait_for(asyncio.wrap_future(future), self._limit_s)
        except TimeoutError as error:
            self._renew(pool)
            raise UndecidedError(
                f"This took longer than {self._limit_s:g} s and was stopped.",
                "Make the configuration smaller, or try again when the machine is less busy.",
            ) from error
        except (BrokenProcessPool, MemoryError) as error:
            self._renew(pool)
            raise UndecidedError(
                "The process that worked on this stopped unexpectedly.",
                "Your work is safe and nothing was counted. Try again.",
            ) from error
        except Exception as error:
            _log.exception("task failed: %s", task.__name__)
            raise UndecidedError(
                "Something went wrong on our side. This is a bug in Meshdojo, not in your files.",
                "Your work is safe and nothing was counted. The server's log has the details.",
            ) from error

    async def close(self) -> None:
        """End every process and every job."""
        for running in tuple(self._running):
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        for job in self._jobs.values():
            _stop(job)
        _kill(self._pool)

    def _new_pool(self) -> ProcessPoolExecutor:
        # Forking a process with threads may deadlock; a fresh one may not.
        pool = ProcessPoolExecutor(
            self._workers, multiprocessing.get_context("spawn"), initializer=_prepare_worker
        )
        # A worker is born deaf to Ctrl-C, which reaches the whole group: the server ends it. (The
        # tracker goes first, for it opens its parent's ears when it starts.)
        resource_tracker.ensure_running()
        heard = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._warm = [pool.submit(tasks.warm_up) for _ in range(self._workers)]
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, heard)
        return pool

    def _renew(self, broken: ProcessPoolExecutor) -> None:
        if self._pool is broken:
            self._pool = self._new_pool()
            _kill(broken)


def _stop(job: Job) -> None:
    if job.state is State.RUNNING:
        job.state, job.message = State.UNDECIDED, "The server was stopped."
    job.over.set()


def _kill(pool: ProcessPoolExecutor) -> None:
    # Python 3.14 calls this `kill_workers`; before, the processes are private.
    processes = list((pool._processes or {}).values())  # noqa: SLF001
    for process in processes:
        process.kill()
    pool.shutdown(wait=True, cancel_futures=True)


def _prepare_worker() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_MAX, _MEMORY_MAX))
    threading.Thread(target=_end_with_server, daemon=True).start()


def _end_with_server() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
