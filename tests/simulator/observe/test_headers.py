"""Which headers an observation shows."""

from __future__ import annotations

from simulator.observe.headers import shown


def test_what_the_moment_decides_is_left_out() -> None:
    pairs = [(":method", "GET"), (":scheme", "http"), ("x-request-id", "1"), ("end-user", "j")]

    assert shown(pairs) == {":method": "GET", "end-user": "j"}


def test_several_values_are_joined() -> None:
    assert shown([("a", "1"), ("b", "2"), ("a", "3")]) == {"a": "1,3", "b": "2"}
