from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def run_root(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    # Not below tmp_path: the path of a unix socket has to be short.
    with tempfile.TemporaryDirectory(prefix="md-") as path:
        monkeypatch.setenv("MESHDOJO_RUN_DIR", path)
        yield Path(path)
