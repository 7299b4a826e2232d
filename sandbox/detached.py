"""Keep a sandbox up beyond the command that started it: `meshdojo sandbox up|ls|exec|down`.

A holder process of its own owns the sandbox; it is asked over a unix socket.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from sandbox import rundir
from sandbox.drivers.driver import Progress
from sandbox.errors import SandboxError, UnknownSandbox
from sandbox.held import Held, held
from sandbox.hold import CONTROL
from sandbox.rundir import Entry
from simulator.config.scenario import Request
from simulator.istiod.discovery import Status, Sync

_ANSWER_TIMEOUT_S = 120.0
_DOWN_TIMEOUT_S = 10.0
_POLL_S = 0.02
_USAGE = ("UnknownProxyError", "ValidationError")
"""What the holder's answer calls a request that names what is not there, or has no form."""


class CommandError(Exception):
    """A command or request for `exec` that cannot be understood: wrong usage."""


def up(
    manifests: Sequence[str],
    *,
    stdin_text: str | None = None,
    scenario: str | None = None,
    driver: str = "process",
    seconds: float = 3600.0,
    on_progress: Progress | None = None,
) -> Entry:
    """Start a sandbox of manifests (files, folders) that stays until `down` or its deadline.

    Raises SandboxError, also for manifests with errors (they are best analysed before).
    """
    spec = {
        "manifests": [each if each == "-" else str(Path(each).absolute()) for each in manifests],
        "stdin": stdin_text,
        "scenario": str(Path(scenario).absolute()) if scenario else None,
        "driver": driver,
        "seconds": seconds,
        "name": scenario or ", ".join(manifests),
    }
    with (
        tempfile.NamedTemporaryFile("w", suffix=".json") as file,
        tempfile.TemporaryFile() as errors,
    ):
        json.dump(spec, file)
        file.flush()
        holder = subprocess.Popen(
            [sys.executable, "-P", "-m", "sandbox.hold", file.name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        found = _started(holder, on_progress)
        if found is None:
            errors.seek(0)
            message = f"the sandbox's holder died:\n{errors.read().decode()[-2000:]}"
            raise SandboxError(message)
    return next(entry for _, entry in rundir.entries() if entry.id == found)


def ls() -> tuple[Entry, ...]:
    """Return the sandboxes that are up, oldest first; end what dead owners left."""
    rundir.sweep()
    return tuple(entry for _, entry in rundir.entries())


def usage(entry: Entry) -> rundir.Usage:
    """Return what the processes of a sandbox take."""
    return rundir.usage(rundir.root() / entry.id)


def send(sandbox: str, requests: Sequence[Request]) -> tuple[dict[str, Any], ...]:
    """Send requests into a sandbox; return the observations as JSON values.

    Raises UnknownSandbox, CommandError for a request that cannot be understood there, or
    SandboxError with what went wrong.
    """
    asked = [each.model_dump(mode="json", by_alias=True) for each in requests]
    return tuple(_told(sandbox, {"do": "probe", "requests": asked})["observations"])


def config(sandbox: str, proxy: str) -> Held:
    """Return what the Envoy of a pod (POD.NS, deploy/NAME.NS) holds.

    Raises UnknownSandbox, CommandError for a pod that is not there, or SandboxError.
    """
    return held(_told(sandbox, {"do": "dump", "proxy": proxy})["dump"])


def status(sandbox: str) -> dict[str, dict[str, Status]]:
    """Return, by pod and kind, what each proxy was sent and what became of it.

    Raises UnknownSandbox or SandboxError.
    """
    told = _told(sandbox, {"do": "status"})["status"]
    return {
        pod: {kind: Status(**{**each, "sync": Sync(each["sync"])}) for kind, each in kinds.items()}
        for pod, kinds in told.items()
    }


def fault(sandbox: str, kind: str, of: Sequence[str]) -> None:
    """Disturb a sandbox, as `sandbox.faults` does.

    Raises UnknownSandbox, CommandError for a pod that is not there, or SandboxError.
    """
    _told(sandbox, {"do": "fault", "kind": kind, "of": [*of]})


def down(sandbox: str) -> None:
    """Stop a sandbox and return when nothing of it is left. Raises UnknownSandbox."""
    path, entry = _find(sandbox)
    if entry.detached:
        try:
            _ask((path, entry), {"do": "down"})
        except (OSError, SandboxError):
            os.kill(entry.owner, signal.SIGTERM)
    else:
        os.kill(entry.owner, signal.SIGINT)
    deadline = time.monotonic() + _DOWN_TIMEOUT_S
    while entry.alive or path.exists():
        if time.monotonic() > deadline:
            os.kill(entry.owner, signal.SIGKILL)
            rundir.sweep()
            return
        time.sleep(_POLL_S)


def curl(command: Sequence[str], workload: str) -> Request:
    """Return the request that `curl [-X METHOD] [-H HEADER]… [-d BODY] URL` sends from a workload.

    Raises CommandError for anything else.
    """
    parser = _Parser(prog="curl", add_help=False)
    parser.add_argument("-X", "--request", dest="method")
    parser.add_argument("-H", "--header", dest="headers", action="append", default=[])
    parser.add_argument("-d", "--data", dest="body")
    for flag in ("-s", "-S", "-i", "-v"):
        parser.add_argument(flag, action="store_true")  # how to print is not ours to decide
    parser.add_argument("url")
    if not command or command[0] != "curl":
        message = "only curl is understood. Try: exec ID -- curl http://HOST:PORT/PATH"
        raise CommandError(message)
    given = parser.parse_args(list(command[1:]))
    headers: dict[str, str | tuple[str, ...]] = {}
    for header in given.headers:
        name, _, value = header.partition(":")
        known = headers.get(name)
        both = (*((known,) if isinstance(known, str) else known or ()), value.strip())
        headers[name] = both if len(both) > 1 else both[0]
    return Request.model_validate(
        {
            "from": workload,
            "url": given.url if "://" in given.url else f"http://{given.url}",
            "method": given.method or ("POST" if given.body is not None else "GET"),
            "headers": headers,
            "body": given.body or "",
        }
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message}. Try: curl [-X METHOD] [-H HEADER] [-d BODY] URL")


def _started(holder: subprocess.Popen[bytes], on_progress: Progress | None) -> str | None:
    assert holder.stdout is not None
    with holder.stdout:
        try:
            found = _await_ready(holder, on_progress)
        except BaseException:
            holder.terminate()  # it stops what it started
            holder.wait()
            raise
    if found is None:
        holder.wait()
    else:
        holder.returncode = 0  # it lives on, and is no longer ours to wait for
    return found


def _await_ready(holder: subprocess.Popen[bytes], on_progress: Progress | None) -> str | None:
    assert holder.stdout is not None
    for line in holder.stdout:
        event = json.loads(line)
        if "ready" in event:
            return str(event["ready"])
        if "error" in event:
            raise SandboxError(str(event["error"]))
        if on_progress is not None:
            on_progress(event["progress"])
    return None


def _find(sandbox: str) -> tuple[Path, Entry]:
    for path, entry in rundir.entries():
        if entry.id == sandbox:
            return path, entry
    message = f"no sandbox {sandbox} is up{_failure(sandbox)}. Try: meshdojo sandbox ls"
    raise UnknownSandbox(message)


def _failure(sandbox: str) -> str:
    """Return why a sandbox is no more, where its logs were kept."""
    marker = rundir.root() / sandbox / rundir.FAILED
    return f": {marker.read_text()}" if sandbox and marker.exists() else ""


def _told(sandbox: str, asked: dict[str, Any]) -> dict[str, Any]:
    answer = _ask(_find(sandbox), asked)
    if "error" in answer:
        usage = answer["kind"] in _USAGE
        raise (CommandError if usage else SandboxError)(str(answer["error"]))
    return answer


def _ask(found: tuple[Path, Entry], asked: dict[str, Any]) -> dict[str, Any]:
    path, entry = found
    if not entry.detached:
        message = f"sandbox {entry.id} belongs to the running process {entry.owner} alone"
        raise SandboxError(message)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as talk:
        talk.settimeout(_ANSWER_TIMEOUT_S)
        talk.connect(str(path / CONTROL))
        with talk.makefile("rw") as file:
            file.write(json.dumps(asked) + "\n")
            file.flush()
            line = file.readline()
    if not line:
        message = f"sandbox {entry.id} ended before it answered"
        raise SandboxError(message)
    answer: dict[str, Any] = json.loads(line)
    return answer
