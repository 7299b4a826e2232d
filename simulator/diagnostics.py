"""What is wrong with a configuration, as data: a code, a place, the arguments.

The wording stands in `diagnostics.toml`, one table a code, so that the CLI, the
editor, the docs page and the grader say the same. A learner's mistake is a
diagnostic: collected, never raised.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path


class Level(StrEnum):
    """How bad it is; `analyze` fails on any error."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a manifest; lines and columns count from 1."""

    file: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        """Return `file:line:column`, which terminals and editors turn into a link."""
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One finding."""

    code: str
    """Istio's message code (`IST0101`) or one of ours (`unknown-field`)."""
    level: Level
    message: str
    """What is wrong, in a sentence."""
    hint: str = ""
    """What to try."""
    position: Position | None = None
    resource: str = ""
    """`Kind name.namespace`, empty where no resource can be named."""
    field: str = ""
    """The field's path in the resource, such as `spec.http[0].route[1].weight`."""

    def __str__(self) -> str:
        """Return one line for a terminal: place, level, code, message and hint."""
        place = f"{self.position}: " if self.position else ""
        subject = f" ({self.resource})" if self.resource else ""
        hint = f" Try: {self.hint}" if self.hint else ""
        return f"{place}{self.level} [{self.code}]{subject} {self.message}{hint}"


@dataclass(frozen=True, slots=True)
class Wording:
    """How a code is spoken of; `message` and `hint` are `str.format` templates."""

    level: Level
    message: str
    hint: str


@cache
def wordings() -> dict[str, Wording]:
    """Return every code with its wording, in the order of the data file."""
    text = Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
    return {
        code: Wording(Level(entry["level"]), entry["message"], entry.get("hint", ""))
        for code, entry in tomllib.loads(text).items()
    }


def diagnose(
    code: str,
    *,
    position: Position | None = None,
    resource: str = "",
    field: str = "",
    **arguments: object,
) -> Diagnostic:
    """Return the finding `code` with its wording filled in.

    Raises KeyError for a code without wording or an argument that the wording lacks.
    """
    wording = wordings()[code]
    return Diagnostic(
        code=code,
        level=wording.level,
        message=wording.message.format(**arguments, field=field, resource=resource),
        hint=wording.hint.format(**arguments, field=field, resource=resource),
        position=position,
        resource=resource,
        field=field,
    )
