"""All that an instance of the server can be told."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

PAGE = Path(__file__).parents[1] / "web" / "dist"


def default_database() -> str:
    """Return the URL of this person's gradebook, below the XDG data folder."""
    home = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return f"sqlite:///{Path(home) / 'meshdojo' / 'gradebook.db'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a server works."""

    database: str = field(default_factory=default_database)
    """A SQLAlchemy URL."""
    page: Path = PAGE
    """The built page."""
    learner: str = "you"
    workers: int = 2
    """Processes that simulate and mark."""
    limit_s: float = 60.0
    """How long one of them may work on one thing."""
    text_max: int = 256 * 1024
    """Bytes of one file."""
    body_max: int = 1024 * 1024
    """Bytes of one request's body."""
