"""Invent listeners and requests that are hard to get right.

What a listener holds overlaps on purpose; the requests are made of its pieces, so that
conditions are met, or missed by a little. The same seed gives the same cases.
"""

from __future__ import annotations

from random import Random

from sandbox.fidelity.generate.aimed_filters import FILTERS
from sandbox.fidelity.generate.aimed_routes import ROUTES
from sandbox.fidelity.generate.asks import ask
from sandbox.fidelity.generate.case import Batch
from sandbox.fidelity.generate.chains import chains, dial
from sandbox.fidelity.generate.connection import manager

_ONE_IN = 10
"""So many listeners have one that is about its filter chains alone."""
_TABLE_IN = 4
"""So many listeners have one of a large table; the others are about one field each."""
_AIMS = (*FILTERS, *ROUTES)


def batch(seed: int, number: int, asks: int) -> Batch:
    """Return the listener of a number, and so many requests to it, or half as many."""
    chance = Random(f"{seed}/{number}")
    if number % _ONE_IN == _ONE_IN - 1:
        listener = chains(chance)
        return Batch(listener, tuple(dial(chance, listener) for _ in range(asks)))
    if number % _TABLE_IN != 0:
        aim = _AIMS[(number - number // _TABLE_IN - 1) % len(_AIMS)](chance)
        return Batch(aim.listener, tuple(aim.ask(chance) for _ in range((asks + 1) // 2)))
    listener = manager(chance)
    return Batch(listener, tuple(ask(chance, listener) for _ in range(asks)))
