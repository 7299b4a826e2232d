"""Dates and spans of time as format strings write them.

Follows   envoy/source/common/common/utility.cc (DateFormatter, AccessLogDateTimeFormatter)
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_SECOND = 1_000_000_000
_UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000}
_FIELD = re.compile(r"%(E[0-9*][Sf]|[1-9]f|f|s|T|D|F|e|n|E[sz]z?|z|Z|%|.)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def date(wall_ns: int, form: str, zone: str = "Z") -> str:
    """Return a time since 1970 in the given form, or in Envoy's usual one; `zone` is UTC's."""
    moment = _EPOCH + timedelta(seconds=wall_ns // _SECOND)
    fraction = f"{wall_ns % _SECOND:09}"
    if not form:
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction[:3]}{zone}"
    return _FIELD.sub(lambda found: _part(found[1], moment, fraction, wall_ns), form)


def _part(field: str, moment: datetime, fraction: str, wall_ns: int) -> str:
    if field == "s":
        return str(wall_ns // _SECOND)
    if field.endswith("f"):
        digits = field.strip("Ef")
        return fraction[: int(digits)] if digits.isdigit() else fraction
    if field.startswith("E") and field.endswith("S"):
        fraction = fraction.rstrip("0") if field[1] == "*" else fraction[: int(field[1])]
        return f"{moment:%S}.{fraction}" if fraction else f"{moment:%S}"
    if field == "Ez":
        return "+00:00"
    if field == "e":
        return f"{moment.day:2}"
    return moment.strftime(f"%{field}")


def bad_precision(unit: str) -> str:
    """Return Envoy's refusal of a unit of time; empty if it knows it."""
    return "" if unit in _UNITS else f"Invalid common duration precision: {unit}."


def span(start_ns: int | None, end_ns: int | None, unit: str = "ms") -> int | None:
    """Return how long it took, whole units only; None where one end never came."""
    if start_ns is None or end_ns is None or end_ns < start_ns:
        return None
    return (end_ns - start_ns) // _UNITS[unit]
