"""Wait for what other processes do: poll with a deadline, never sleep and hope."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_POLL_S = 0.02


def eventually(holds: Callable[[], object], what: str, *, within_s: float = 10.0) -> None:
    """Return once `holds()` is true; fail with `what` after the deadline."""
    deadline = time.monotonic() + within_s
    pause = threading.Event()
    while not holds():
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
        pause.wait(_POLL_S)
