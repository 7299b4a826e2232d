"""The owner's end of a supervisor: start it, hear what becomes of its processes, let it go."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sandbox.errors import AddressInUse, ProcessDied, SandboxError

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
AFTER = "after.json"
"""The file with the command that a later sweep has to run, should the supervisor not have."""
_TAIL_LINES = 12
_STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A process to start."""

    name: str
    argv: tuple[str, ...]
    log: str
    """Below the run directory."""
    tells: bool = False
    """It has events of its own to tell, as JSON lines on its standard output."""


class Children:
    """The processes of one sandbox."""

    def __init__(
        self,
        run_dir: Path,
        children: Sequence[Child],
        seconds: float,
        *,
        within: tuple[str, ...] = (),
        after: tuple[str, ...] = (),
    ) -> None:
        """Start them, under a supervisor that the command `within` starts.

        It runs the command `after` once they have ended.
        """
        self._run_dir = run_dir
        self._logs = {each.name: each.log for each in children}
        self._shared_log = next((each.log for each in children if each.tells), "")
        self._rest = b""
        self.pids: dict[str, int] = {}
        """By name, of all that were started."""
        self.ready: set[str] = set()
        """Those that said so themselves."""
        self.expected: set[str] = set()
        """Those whose next end is meant."""
        self._log = run_dir / "logs" / "supervisor.log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*within, sys.executable, "-I", "-S", str(_SUPERVISOR)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=run_dir,
                start_new_session=True,  # the terminal's Ctrl-C is the owner's to handle
            )
        plan = {
            "run_dir": str(run_dir),
            "owner": os.getpid(),
            "seconds": seconds,
            "processes": [asdict(each) for each in children],
            "after": after,
        }
        (run_dir / AFTER).write_text(json.dumps(after))
        self._say(plan)

    def hear(self, wait_s: float = 0.0) -> None:
        """Take in what has happened, waiting at most `wait_s` for it.

        Raises ProcessDied, AddressInUse, or SandboxError at the sandbox's deadline.
        """
        assert self._process.stdout is not None
        number = self._process.stdout.fileno()
        while select.select([number], [], [], wait_s)[0]:
            wait_s = 0.0
            chunk = os.read(number, 65_536)
            if not chunk:
                message = "the sandbox's supervisor has ended; its processes are gone"
                raise SandboxError(f"{message}: {tail}" if (tail := _tail(self._log)) else message)
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            for line in lines:
                self._take(json.loads(line))

    def start(self, child: Child) -> None:
        """Start one more process, or one that has ended once more."""
        self._say({"start": asdict(child)})

    def stop(self, *, keep_logs: bool) -> None:
        """End everything and wait until it is gone."""
        if keep_logs and self._run_dir.exists():
            (self._run_dir / "failed").touch()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()  # the kernel ends the rest with it
            self._process.wait()
        self._process.stdout.close()

    def _say(self, line: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended: `hear` tells why
            self._process.stdin.write(json.dumps(line).encode() + b"\n")
            self._process.stdin.flush()

    def _take(self, event: dict[str, Any]) -> None:
        kind, name = event["event"], str(event.get("name", ""))
        if kind == "started":
            self.pids[name] = int(event["pid"])
        elif kind == "ready":
            self.ready.add(name)
        elif kind == "busy":
            message = f"{name} cannot listen on {event['reason']}. Try: meshdojo sandbox ls"
            raise AddressInUse(message)
        elif kind == "exited" and name in self.expected:
            self.expected.discard(name)
            del self.pids[name]
        elif kind == "exited":
            log = self._run_dir / event.get("log", self._logs.get(name, self._shared_log))
            raise ProcessDied(name, int(event["code"]), str(log), _tail(log))
        elif kind == "deadline":
            message = "the sandbox reached its deadline and was ended. Try: a later one"
            raise SandboxError(message)


def _tail(log: Path) -> str:
    try:
        with log.open(errors="replace") as lines:
            return "".join(deque(lines, _TAIL_LINES)).rstrip()
    except FileNotFoundError:
        return ""
