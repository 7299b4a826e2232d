"""What the parts of a scenario have in common: durations, shares, and how they are read."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

_UNITS_NS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m)")


def nanoseconds(value: object) -> int:
    """Return a duration in ns from text such as `1m30s` or `4ms` (or from an int of ns).

    Raises ValueError for anything else.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    parts = _DURATION.findall(str(value))
    if not parts or "".join(number + unit for number, unit in parts) != str(value):
        message = (
            f"{value!r} is not a duration; write a number and a unit, such as 250us, 4ms or 1.5s"
        )
        raise ValueError(message)
    return sum(round(float(number) * _UNITS_NS[unit]) for number, unit in parts)


def duration_text(value_ns: int) -> str:
    """Return a duration as text, in the largest unit that keeps it whole."""
    for unit in ("m", "s", "ms", "us"):
        if value_ns and value_ns % _UNITS_NS[unit] == 0:
            return f"{value_ns // _UNITS_NS[unit]}{unit}"
    return f"{value_ns}ns"


Duration = Annotated[
    int,
    BeforeValidator(nanoseconds, json_schema_input_type=str),
    PlainSerializer(duration_text, return_type=str),
]


def portion(value: object) -> object:
    """Return a share from text such as `0.5%`; anything else as it is."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?%", value) if isinstance(value, str) else None
    return float(found[1]) / 100 if found else value


Share = Annotated[float, Field(ge=0, le=1)]


class Record(BaseModel):
    """A part of a scenario: immutable, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
