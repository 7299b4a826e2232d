"""What a machine may lack: its tests skip there, unless it is required."""

from __future__ import annotations

import os

import pytest


def need(name: str, lacking: str) -> None:
    """Skip the test for what is `lacking`; fail it where MESHDOJO_REQUIRE names `name`."""
    if not lacking:
        return
    if name in os.environ.get("MESHDOJO_REQUIRE", "").split(","):
        pytest.fail(f"{name} is required, but {lacking}")
    pytest.skip(f"no {name}: {lacking}")
