"""Compare with files that hold what was right before; `--update-golden` rewrites them."""

from __future__ import annotations

from pathlib import Path


class Golden:
    """The golden files of one test session."""

    def __init__(self, *, update: bool) -> None:
        self._update = update

    def check(self, path: Path, got: str) -> None:
        """Fail unless `path` holds `got`; with `--update-golden`, write it."""
        if self._update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(got, encoding="utf-8")
            return
        assert path.exists(), f"{path} is missing; run: pytest --update-golden"
        assert got == path.read_text(encoding="utf-8"), f"{path.name}; pytest --update-golden"
