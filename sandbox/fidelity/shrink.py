"""Make a difference small: leave parts of it out as long as the planes still differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from sandbox.fidelity.generate.case import Ask, Batch

_STEPS = 250
_KEPT = frozenset({"@type", "name", "domains", "http_filters"})
_LASTS = frozenset({"http", "router"})
"""Filters that have to be there."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A request on which the planes differ: the last of a batch."""

    field: str
    real: Any
    simulated: Any
    batch: Batch


def shrunk(difference: Difference, again: Callable[[Batch], Difference | None]) -> Difference:
    """Return the same kind of difference with less in it."""
    steps = 0
    smaller = True
    while smaller and steps < _STEPS:
        smaller = False
        for batch in smaller_batches(difference.batch):
            steps += 1
            found = again(batch)
            if found is not None and found.field == difference.field:
                difference, smaller = found, True
                break
            if steps >= _STEPS:
                break
    return difference


def smaller_batches(batch: Batch) -> Iterator[Batch]:
    """Yield a batch with one part left out, the largest parts first."""
    *before, last = batch.asks
    if before:
        yield replace(batch, asks=(last,))
        for at in range(len(before)):
            yield replace(batch, asks=(*before[:at], *before[at + 1 :], last))
    for listener in without_one(batch.listener):
        yield replace(batch, listener=listener)
    if isinstance(last, Ask):
        for fewer in _smaller_ask(last):
            yield replace(batch, asks=(*before, fewer))


def _smaller_ask(ask: Ask) -> Iterator[Ask]:
    for at in range(len(ask.headers)):
        yield replace(ask, headers=(*ask.headers[:at], *ask.headers[at + 1 :]))
    if ask.script != ("200",):
        yield replace(ask, script=("200",))
    if ask.body:
        yield replace(ask, body=0)


def without_one(value: Any) -> Iterator[Any]:  # noqa: ANN401 - JSON
    """Yield a JSON value with one element or field left out, outer ones first."""
    if isinstance(value, dict):
        for key in value:
            if key not in _KEPT:
                yield {name: inner for name, inner in value.items() if name != key}
        for key, inner in value.items():
            for smaller in without_one(inner):
                yield {**value, key: smaller}
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            if not (isinstance(inner, dict) and inner.get("name") in _LASTS):
                yield [*value[:at], *value[at + 1 :]]
        for at, inner in enumerate(value):
            for smaller in without_one(inner):
                yield [*value[:at], smaller, *value[at + 1 :]]
