"""Options and fixtures that all tests share."""

from __future__ import annotations

import pytest

from tests.support.golden import Golden


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of this project's tests."""
    parser.addoption(
        "--update-golden", action="store_true", help="write golden files instead of comparing"
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Return the comparison with golden files."""
    return Golden(update=bool(request.config.getoption("--update-golden")))
