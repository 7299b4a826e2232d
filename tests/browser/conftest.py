"""A real browser, where there is one, and a server of its own for each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from labs.server.settings import PAGE
from tests.browser.serving import serving

CHROMIUM = Path("/usr/bin/chromium")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Yield Chromium; skip with a reason where it, or the built page, is missing.

    No longer than a module: while Playwright is there, no other loop can run in its process.
    """
    missing = [
        what
        for what, there in (
            (f"{CHROMIUM} is not installed", CHROMIUM.exists()),
            ("the page is not built: python -m labs.server.build_page", PAGE.is_dir()),
        )
        if not there
    ]
    if missing:
        required = "chromium" in os.environ.get("MESHDOJO_REQUIRE", "").split(",")
        (pytest.fail if required else pytest.skip)("; ".join(missing))
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=[*_FLAGS])
        yield started
        started.close()


@pytest.fixture
def address(browser: Browser, tmp_path: Path) -> Iterator[str]:
    """Yield the address of a fresh server."""
    with serving(tmp_path) as found:
        yield found
