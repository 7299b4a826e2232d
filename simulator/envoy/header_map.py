"""Headers as a proxy handles them: an ordered tuple of lower-case names and values."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeAlias

Headers: TypeAlias = tuple[tuple[str, str], ...]
"""Name (lower-case) and value, in order; a name may come several times."""


def first(headers: Headers, name: str) -> str | None:
    """Return a header's first value."""
    for key, value in headers:
        if key == name:
            return value
    return None


def without(headers: Headers, names: Collection[str]) -> Headers:
    """Return the headers without those of the given names."""
    if not any(key in names for key, _ in headers):
        return headers
    return tuple(pair for pair in headers if pair[0] not in names)


def replaced(headers: Headers, name: str, value: str) -> Headers:
    """Return the headers with just one line `name`, where the first one was or at the end."""
    for at, (key, _) in enumerate(headers):
        if key == name:
            rest = tuple(pair for pair in headers[at + 1 :] if pair[0] != name)
            return (*headers[:at], (name, value), *rest)
    return (*headers, (name, value))
