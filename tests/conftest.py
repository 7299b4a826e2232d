"""Options and fixtures that all tests share."""

from __future__ import annotations

import pytest
from hypothesis import settings

from tests.support.golden import Golden

settings.register_profile("deep", max_examples=10_000)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of this project's tests."""
    parser.addoption(
        "--update-golden", action="store_true", help="write golden files instead of comparing"
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Return the comparison with golden files."""
    return Golden(update=bool(request.config.getoption("--update-golden")))
