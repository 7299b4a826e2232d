"""Fork one process for each pod, from a parent that has imported everything once.

`python -m sandbox.workload SPEC.json`: tells, as JSON lines on standard output, which
pods are ready, cannot listen, or have ended. Each process dies with its parent.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from sandbox.workload.pod import run

_PR_SET_PDEATHSIG = 1
_CLONE_NEWNET = 0x40000000


def main(path: str) -> None:
    """Fork the pods and wait for them."""
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()
    gc.freeze()
    names = {}
    pods = json.loads(Path(path).read_text())
    if len(pods) == 1:
        _serve(pods[0])  # in a container: there is nothing to share
        return
    for told in pods:
        child = os.fork()
        if child == 0:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() == parent:
                if "network" in told:
                    _enter(libc, told["network"])
                _serve(told)
            os._exit(0)
        names[child] = told["pod"]
        _tell(event="started", name=f"workload {told['pod']}", pid=child)
    while names:
        pid, status = os.wait()
        code = os.waitstatus_to_exitcode(status)
        _tell(event="exited", name=f"workload {names.pop(pid)}", code=code)


def _enter(libc: ctypes.CDLL, namespace: str) -> None:
    """Move this process into a network namespace, kept by a file."""
    with Path(namespace).open("rb") as file:
        if libc.setns(file.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")


def _serve(told: dict[str, Any]) -> None:
    name = f"workload {told['pod']}"

    def ready(reason: str | None) -> None:
        if reason is None:
            _tell(event="ready", name=name)
        else:
            _tell(event="busy", name=name, reason=reason)

    asyncio.run(run(told, ready))


def _tell(**event: object) -> None:
    os.write(1, (json.dumps(event) + "\n").encode())


if __name__ == "__main__":
    main(sys.argv[1])
