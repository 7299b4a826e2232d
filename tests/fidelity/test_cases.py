"""Invented route tables and requests: both planes agree on every one of them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from sandbox.fidelity import cases
from sandbox.fidelity.cases import compare_cases, told
from sandbox.fidelity.generate import Ask, batch


def test_the_same_seed_makes_the_same_cases() -> None:
    assert batch(1, 2, 5) == batch(1, 2, 5)
    assert len({str(batch(seed, 0, 5)) for seed in range(20)}) == 20


def test_a_smaller_value_lacks_one_part() -> None:
    value: dict[str, Any] = {"name": "n", "a": [1, {"b": 2}], "c": {"d": 3}}

    smaller = list(cases._without_one(value))

    assert {"name": "n", "c": {"d": 3}} in smaller
    assert {"name": "n", "a": [1, {}], "c": {"d": 3}} in smaller
    assert {"name": "n", "a": [{"b": 2}], "c": {"d": 3}} in smaller
    assert all(one["name"] == "n" for one in smaller)
    sizes = [len(str(one)) for one in smaller]
    assert all(size < len(str(value)) for size in sizes)
    assert any(first != second for first, second in pairwise(sizes))


@pytest.mark.envoy
def test_both_planes_agree_on_every_invented_case() -> None:
    found = compare_cases(960, 1)

    assert [told(each) for each in found.differences] == []
    assert found.cases == found.agreed == 960


@pytest.mark.envoy
def test_a_difference_is_found_and_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    def other_status(ask: Ask) -> bool:
        return ask.method == "HEAD"

    simulated = cases._simulated

    def wrong(proxy: Any, ask: Ask, seen: Any) -> Any:
        found, node = simulated(proxy, ask, seen)
        if other_status(ask):
            object.__setattr__(found, "status", 418)
        return found, node

    monkeypatch.setattr(cases, "_simulated", wrong)

    found = compare_cases(40, 1)

    assert not found.ok
    first = found.differences[0]
    assert (first.field, first.simulated, first.ask.method) == ("status", 418, "HEAD")
    # Neither the table nor the request's headers have anything to do with it.
    assert first.ask.headers == ()
    assert not first.table.get("virtual_hosts")
