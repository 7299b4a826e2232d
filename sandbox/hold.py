"""Hold one sandbox up until it is told to stop, its deadline passes or something in it dies.

`python -m sandbox.hold SPEC`, started by `sandbox.detached`: tells its progress as JSON
lines on standard output, then serves one request a connection on `control.sock`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sandbox.box import Sandbox
from sandbox.drivers.choice import named
from sandbox.errors import SandboxError
from simulator.config.load import load
from simulator.config.scenario import Request
from simulator.istiod.registry import UnknownProxyError
from simulator.observe.observation import to_json
from simulator.scenario import Scenario, ScenarioError

CONTROL = "control.sock"
_LISTEN_S = 0.2
_TALK_S = 30.0


def main(spec: dict[str, Any]) -> int:
    """Start the sandbox of a spec and hold it; return the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        box = Sandbox.start(
            _scenario(spec),
            lambda what: _tell(progress=what),
            driver=named(spec["driver"]),
            seconds=spec["seconds"],
            name=spec["name"],
            detached=True,
        )
    except ScenarioError as error:
        _tell(error=str(error), kind="scenario")
        return 1
    except (SandboxError, UnknownProxyError) as error:
        _tell(error=str(error), kind=type(error).__name__)
        return 3
    with box, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
        control.bind(str(box.plan.run_dir / CONTROL))
        control.listen()
        control.settimeout(_LISTEN_S)
        _tell(ready=box.id)
        _let_go()
        while _serve(box, control):
            pass
    return 0


def _scenario(spec: dict[str, Any]) -> Scenario:
    if spec["scenario"] is not None:
        return Scenario.load(spec["scenario"], spec["manifests"], spec["stdin"])
    return Scenario.of(load(spec["manifests"], spec["stdin"]))


def _serve(box: Sandbox, control: socket.socket) -> bool:
    """Serve one connection, if one comes; say whether to go on."""
    box.running.hear(0.0)
    try:
        talk, _ = control.accept()
    except TimeoutError:
        return True
    with talk, talk.makefile("rw") as file:
        talk.settimeout(_TALK_S)
        try:
            asked = json.loads(file.readline())
            answer = _answer(box, asked)
            file.write(json.dumps(answer) + "\n")
            file.flush()
        except (OSError, ValueError):
            return True  # whoever asked is gone, or is none of ours
    return bool(asked.get("do") != "down")


def _answer(box: Sandbox, asked: dict[str, Any]) -> dict[str, Any]:
    if asked.get("do") == "down":
        return {"ok": True}
    try:
        if asked.get("do") == "dump":
            return {"dump": box.dump(str(asked.get("proxy")))}
        if asked.get("do") == "status":
            return {"status": to_json(box.status())}
        if asked.get("do") == "fault":
            box.faults.cause(str(asked.get("kind")), [str(each) for each in asked.get("of", [])])
            return {"ok": True}
        requests = [Request.model_validate(each) for each in asked.get("requests", [])]
        return {"observations": [to_json(each) for each in box.probe(requests)]}
    except (SandboxError, UnknownProxyError, ValidationError) as error:
        return {"error": str(error), "kind": type(error).__name__}


def _tell(**event: object) -> None:
    print(json.dumps(event), flush=True)  # noqa: T201 - to the process that waits for it


def _let_go() -> None:
    """Leave the output to nobody: whoever started us goes on without us."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (1, 2):
        os.dup2(nowhere, number)


if __name__ == "__main__":
    sys.exit(main(json.loads(Path(sys.argv[1]).read_text())))
