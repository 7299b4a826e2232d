"""A server of its own in a process of its own, as `meshdojo serve` runs it."""

from __future__ import annotations

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
    """Yield the address of a server whose gradebook is in `folder`; end it as Ctrl-C does."""
    command = [sys.executable, "-c", _PROGRAM, f"sqlite:///{folder / 'gradebook.db'}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip().rstrip("/")
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(_END_S)
    assert process.returncode == 0
