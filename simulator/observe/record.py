"""A run's rows: packed as they come, read as columns.

A million requests as objects would take gigabytes. A row is packed into blocks of bytes
and read back as a numpy structured array; names are numbers from `Names`.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

# NaN-free: every column is a whole number, -1 where there is none.
_FORMATS = {"i8": "q", "i4": "i", "i2": "h", "u1": "B"}
_BLOCK = 1 << 16
"""Bytes. One growing array would keep an eighth of itself in reserve."""


class Names:
    """Names as small numbers, in the order of their first use; -1 is no name."""

    __slots__ = ("_numbers", "names")

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.names: list[str] = []
        self._numbers: dict[str | None, int] = {None: -1}
        for name in names:
            self.number(name)

    def number(self, name: str | None) -> int:
        """Return a name's number."""
        number = self._numbers.get(name)
        if number is None:
            assert name is not None
            number = self._numbers[name] = len(self.names)
            self.names.append(name)
        return number

    def name(self, number: int) -> str | None:
        """Return the name of a number."""
        return self.names[number] if number >= 0 else None


class Rows:
    """A table that only grows. Columns are `i8`, `i4`, `i2` (signed) or `u1`, by name."""

    __slots__ = ("_block", "_columns", "_full", "_pack")

    def __init__(self, **columns: str) -> None:
        self._columns = columns
        self._pack = Struct("<" + "".join(_FORMATS[kind] for kind in columns.values())).pack
        self._full: list[bytes] = []
        self._block = bytearray()

    def append(self, *values: int) -> None:
        """Append a row; values in the order of the columns."""
        block = self._block
        block += self._pack(*values)
        if len(block) >= _BLOCK:
            self._full.append(bytes(block))
            block.clear()

    def read(self) -> NDArray[Any]:
        """Return a copy of the rows as a structured array, one field a column."""
        fields = [(name, "<" + kind) for name, kind in self._columns.items()]
        return np.frombuffer(b"".join((*self._full, self._block)), dtype=np.dtype(fields))
