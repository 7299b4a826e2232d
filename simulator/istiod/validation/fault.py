"""What istiod's webhook has against a field."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with a field; a warning lets the object pass."""

    at: str
    """The field's path in the object."""
    problem: str
    """Ends the sentence `FIELD is not right: …`."""
    warning: bool = False


Faults = Iterator[Fault]


def fault(at: str, problem: str | None) -> Faults:
    """Yield a fault for a problem, nothing for none."""
    if problem:
        yield Fault(at, problem)


def each(at: str, values: Iterable[str], check: object) -> Faults:
    """Yield what `check`, which returns a problem or None, has against each of a list's items."""
    assert callable(check)
    for index, value in enumerate(values):
        yield from fault(f"{at}[{index}]", check(value))
