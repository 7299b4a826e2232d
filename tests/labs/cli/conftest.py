from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from labs.cli.main import app, run
from tests.sandbox.meshes import manifests


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture(autouse=True)
def run_root(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    # Not below tmp_path: the path of a unix socket has to be short.
    with tempfile.TemporaryDirectory(prefix="md-") as path:
        monkeypatch.setenv("MESHDOJO_RUN_DIR", path)
        yield Path(path)


@pytest.fixture
def meshdojo(capfd: pytest.CaptureFixture[str]) -> Command:
    """Run a command in this process, through the outermost door."""

    def command(*arguments: object) -> Ended:
        capfd.readouterr()
        code = run(partial(app, [str(each) for each in arguments], prog_name="meshdojo"))
        return Ended(code, *capfd.readouterr())

    return command


PROGRAM = "from labs.cli.main import main; main()"


def spawn(*arguments: object, program: str = PROGRAM, **environment: str) -> subprocess.Popen[str]:
    """Start a command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *(str(each) for each in arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait for the end of a command."""
    with process:
        out, err = process.communicate()
    return Ended(process.returncode, out, err)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A file with a small application of several services."""
    path = tmp_path / "shop.yaml"
    path.write_text(manifests())
    return path
