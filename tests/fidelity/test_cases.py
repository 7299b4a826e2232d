"""Invented listeners and requests: both planes agree on every one of them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from sandbox.fidelity import cases, simulated
from sandbox.fidelity.cases import compare_cases, told
from sandbox.fidelity.coverage import Coverage, named, places, without
from sandbox.fidelity.generate import batch
from sandbox.fidelity.generate.case import Ask, is_http
from sandbox.fidelity.shrink import without_one
from simulator.observe.explain import FieldRef, Node, Outcome


def test_the_same_seed_makes_the_same_cases() -> None:
    assert batch(1, 2, 5) == batch(1, 2, 5)
    assert len({str(batch(seed, 0, 5)) for seed in range(20)}) == 20


def test_some_listeners_are_about_requests_and_some_about_connections() -> None:
    kinds = [is_http(batch(1, number, 1).listener) for number in range(20)]

    assert 0 < kinds.count(False) < kinds.count(True)


def test_a_smaller_value_lacks_one_part() -> None:
    value: dict[str, Any] = {"name": "n", "a": [1, {"b": 2}], "c": {"d": 3}}

    smaller = list(without_one(value))

    assert {"name": "n", "c": {"d": 3}} in smaller
    assert {"name": "n", "a": [1, {}], "c": {"d": 3}} in smaller
    assert {"name": "n", "a": [{"b": 2}], "c": {"d": 3}} in smaller
    assert all(one["name"] == "n" for one in smaller)
    sizes = [len(str(one)) for one in smaller]
    assert all(size < len(str(value)) for size in sizes)
    assert any(first != second for first, second in pairwise(sizes))


LISTENER = {
    "filter_chains": [
        {"name": "a", "filter_chain_match": {"server_names": ["x"]}},
        {"name": "b", "filter_chain_match": {"source_ports": [1]}},
    ]
}


def test_every_field_that_is_set_has_a_place() -> None:
    assert [(each.path, each.key) for each in places(LISTENER)][:3] == [
        ("filter_chains", "Listener.filter_chains"),
        ("filter_chains[0].name", "FilterChain.name"),
        ("filter_chains[0].filter_chain_match", "FilterChain.filter_chain_match"),
    ]


def test_what_the_reasons_name_has_decided_with_all_that_it_belongs_to() -> None:
    field = FieldRef("listeners", "l", "filter_chains[0].filter_chain_match")
    node = Node(what="x", name="y", outcome=Outcome.NOTE, reason="z", field=field)

    assert named(node) == {
        "filter_chains",
        "filter_chains[0]",
        "filter_chains[0].filter_chain_match",
    }


def test_a_field_has_decided_where_without_it_the_outcome_is_another() -> None:
    coverage = Coverage(enough=5)

    def again(listener: dict[str, Any]) -> list[str]:
        first = listener.get("filter_chains", [{}])[0].get("filter_chain_match", {})
        return ["a" if "server_names" in first else "b", "b"]

    coverage.add(LISTENER, again(LISTENER), [None, None], again)

    covered = {each.field: (each.occurred, each.decided) for each in coverage.result()}
    assert covered["FilterChainMatch.server_names"] == (2, 1)
    assert covered["FilterChainMatch.source_ports"] == (2, 0)
    # What never occurs is told, too.
    assert covered["FilterChainMatch.destination_port"] == (0, 0)


def test_what_is_left_out_leaves_the_rest() -> None:
    assert without({"a": [{"b": 1, "c": 2}]}, ("a", 0, "b")) == {"a": [{"c": 2}]}


@pytest.mark.envoy
def test_both_planes_agree_on_every_invented_case() -> None:
    found = compare_cases(720, 1)

    assert [told(each) for each in found.differences] == []
    assert found.cases == found.agreed == 720
    assert {each.message for each in found.features} >= {"Route", "RouteMatch", "RBAC"}


@pytest.mark.envoy
def test_a_difference_is_found_and_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    play = simulated.play

    def wrong(one: Any, fed: Any, number: int, ask: Any, *rest: Any, **more: Any) -> Any:
        found, node = play(one, fed, number, ask, *rest, **more)
        if isinstance(ask, Ask) and ask.method == "HEAD":
            object.__setattr__(found, "status", 418)
        return found, node

    monkeypatch.setattr(cases, "play", wrong)

    found = compare_cases(40, 1)

    assert not found.ok
    first = found.differences[0]
    (ask,) = first.batch.asks
    assert isinstance(ask, Ask)
    assert (first.field, first.simulated, ask.method) == ("status", 418, "HEAD")
    # Neither what the table says nor the request's headers have anything to do with it.
    assert ask.headers == ()
    assert "routes" not in str(first.batch.listener)
