"""`serve`, `notebook` and `bench`."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import httpx
import pytest

from labs.bench import measure
from labs.cli import notebook
from tests.labs.cli.conftest import Command, ended, spawn


def test_serve_says_its_address_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    process = spawn("serve", "--port", 0, XDG_DATA_HOME=str(tmp_path), PYTHONUNBUFFERED="1")
    assert process.stdout is not None
    address = process.stdout.readline().split()[3]
    try:
        assert httpx.get(f"{address}api/labs").status_code == 200
    finally:
        process.send_signal(signal.SIGINT)

    assert ended(process).code == 0


def test_without_jupyter_the_reader_is_told_what_to_install(
    meshdojo: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebook, "find_spec", lambda _: None)

    found = meshdojo("notebook")

    assert found.code == 3
    assert "pip install 'meshdojo[notebook]'" in found.err


def test_benchmarks_are_printed_with_their_targets(
    meshdojo: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is measured is tested elsewhere; here, that a result becomes a row and a code.
    result = measure.run(["engine.mm1"], rounds=1, scale=0.01)[0]
    monkeypatch.setattr("labs.bench.run", lambda _: [result])

    found = meshdojo("bench", "engine.mm1", "-o", "json")
    assert json.loads(found.out)["results"][0]["name"] == "engine.mm1"
    assert found.code == (0 if result.ok else 1)
    assert "times SimPy" in meshdojo("bench").out
