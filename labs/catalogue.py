"""The labs by name: `labs/catalog/NN-module/NN-lab/` holds them, their order is the folders'."""

from __future__ import annotations

import difflib
from functools import cache
from pathlib import Path

from grader.lab import Lab

CATALOG = Path(__file__).parent / "catalog"


class UnknownLabError(LookupError):
    """There is no lab of that name; the message names the nearest."""


@cache
def labs() -> tuple[Lab, ...]:
    """Return every lab, in the order in which they are meant to be done.

    Raises grader.lab.LabError for one that is not fit for use.
    """
    return tuple(Lab.load(path.parent) for path in sorted(CATALOG.glob("*/*/lab.yaml")))


def lab(name: str) -> Lab:
    """Return the lab of an id. Raises UnknownLabError."""
    known = {each.id: each for each in labs()}
    found = known.get(name)
    if found is None:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.4) or sorted(known)
        raise UnknownLabError(f"there is no lab {name}. Try: {', '.join(near)}")
    return found
