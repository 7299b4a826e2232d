"""Own the processes of one sandbox, so that none outlives it.

A program of its own, started by path with `python -I -S` (standard library alone,
one thread). It reads one JSON plan from standard input, starts the processes, tells
what becomes of them as JSON lines, and ends all of them when its input closes
(its owner stopped, or was killed), when told by a signal, or at the deadline. Each
process has a group of its own and is killed by the kernel should the supervisor die;
what a process forked becomes the supervisor's own when that process ends, to wait for.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LOOK_UP_S = 1.0
_LIBC = ctypes.CDLL(None, use_errno=True)


class Supervisor:
    """The processes of one plan, from start to end."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._run_dir = Path(plan["run_dir"])
        self._plan = plan["processes"]
        self._after = plan["after"]
        self._owner = plan["owner"]
        self._ends_at = time.monotonic() + plan["seconds"]
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._rest = b""

    def start(self) -> None:
        """Start every process of the plan and note their ids for a later sweep."""
        for each in self._plan:
            self._start(each)
        self._note()

    def _start(self, one: dict[str, Any]) -> None:
        with (self._run_dir / one["log"]).open("ab") as log:
            started = subprocess.Popen(
                one["argv"],
                stdin=subprocess.DEVNULL,
                stdout=None if one.get("tells") else log,
                stderr=log,
                cwd=self._run_dir,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        self._running[one["name"]] = started
        _tell(event="started", name=one["name"], pid=started.pid)

    def _note(self) -> None:
        pids = {name: each.pid for name, each in self._running.items()}
        (self._run_dir / "pids.json").write_text(json.dumps(pids))

    def watch(self, wakeup: int) -> None:
        """Return when the input closes, a signal asks for the end or the deadline passes."""
        while (left := self._ends_at - time.monotonic()) > 0:
            ready, _, _ = select.select([0, wakeup], [], [], min(left, _LOOK_UP_S))
            if os.getppid() != self._owner:
                return  # killed, while a process forked by it still holds our input open
            if wakeup in ready and set(os.read(wakeup, 64)) - {signal.SIGCHLD}:
                return
            for name, each in self._running.items():
                running = each.returncode is None
                if running and each.poll() is not None:
                    _tell(event="exited", name=name, code=each.returncode)
            if 0 in ready and not self._listen():
                return
        _tell(event="deadline")

    def _listen(self) -> bool:
        """Start what the owner says; return whether it is still there."""
        data = os.read(0, 65_536)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._start(json.loads(line)["start"])
            self._note()
        return bool(data)

    def stop(self) -> None:
        """End every process group; remove the run directory unless its logs are wanted."""
        for each in self._running.values():
            with contextlib.suppress(ProcessLookupError):  # it ended on its own
                os.killpg(each.pid, signal.SIGKILL)
        for each in self._running.values():
            each.wait()
        with contextlib.suppress(ChildProcessError):  # until none is left, forked ones included
            while True:
                os.wait()
        if self._after and subprocess.call(self._after, stdin=subprocess.DEVNULL, stdout=2) != 0:
            return  # what could not be ended now is left to a sweep
        (self._run_dir / "after.json").unlink(missing_ok=True)
        if not (self._run_dir / "failed").exists():
            shutil.rmtree(self._run_dir, ignore_errors=True)


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _tell(**event: object) -> None:
    with contextlib.suppress(BrokenPipeError):  # nobody listens: the input is about to close
        os.write(1, (json.dumps(event) + "\n").encode())


def main() -> None:
    """Carry out the plan on standard input."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    supervisor = Supervisor(json.loads(_first_line()))
    try:
        supervisor.start()
        supervisor.watch(reader)
    finally:
        supervisor.stop()


def _first_line() -> bytes:
    # Unbuffered: what follows the plan is for `watch` to see.
    line = bytearray()
    while not line.endswith(b"\n"):
        chunk = os.read(0, 1)
        if not chunk:
            break
        line += chunk
    return bytes(line)


if __name__ == "__main__":
    main()
