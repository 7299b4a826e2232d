"""Read what proxies and workloads write, as it grows."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any


class Growing:
    """The JSON-lines files `NAME.jsonl` of one directory, read on from where we were."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._read: dict[Path, int] = defaultdict(int)
        self.by_id: dict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
        """By request id, the lines with the name of their file."""

    def read(self) -> bool:
        """Take in what is new; say whether anything was."""
        grown = False
        for path in sorted(self._directory.glob("*.jsonl")):
            with path.open("rb") as file:
                file.seek(self._read[path])
                data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            self._read[path] += len(whole)
            for text in whole.splitlines():
                line = json.loads(text)
                self.by_id[str(line["id"])].append((path.stem, line))
                grown = True
        return grown

    def forget(self, ids: list[str]) -> None:
        """Let lines go that are no longer wanted."""
        for each in ids:
            self.by_id.pop(each, None)
