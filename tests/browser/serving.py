"""A server of its own in a process of its own, as `meshdojo serve` runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PROGRAM = """
import sys
from labs.server.serve import serve
from labs.server.settings import Settings
serve(0, settings=Settings(database=sys.argv[1]), ready=lambda address: print(address, flush=True))
"""
_END_S = 20


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Yield the address of a server whose gradebook is in `folder`; end it as Ctrl-C does.

    Ctrl-C reaches the server and its workers; none of them has anything to say of it.
    """
    command = [sys.executable, "-c", _PROGRAM, f"sqlite:///{folder / 'gradebook.db'}"]
    with (
        (folder / "errors.txt").open("w+") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
        ) as process,
    ):
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip().rstrip("/")
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(_END_S)
        errors.seek(0)
        said = errors.read()
    assert (process.returncode, said) == (0, "")
