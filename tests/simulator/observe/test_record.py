"""Rows and names, as they are kept during a run."""

from __future__ import annotations

from simulator.observe.record import Names, Rows


def test_names_are_numbered_in_the_order_of_their_first_use() -> None:
    names = Names()

    assert [names.number(name) for name in ("b", "a", "b", None)] == [0, 1, 0, -1]
    assert [names.name(number) for number in (0, 1, -1)] == ["b", "a", None]


def test_rows_are_read_as_columns() -> None:
    rows = Rows(start_ns="i8", status="i2", direction="u1")
    rows.append(1 << 40, -1, 2)
    rows.append(0, 200, 0)

    table = rows.read()

    assert table["start_ns"].tolist() == [1 << 40, 0]
    assert table["status"].tolist() == [-1, 200]
    assert table["direction"].tolist() == [2, 0]


def test_reading_does_not_end_the_writing() -> None:
    rows = Rows(n="i4")
    before = rows.read()
    rows.append(7)

    assert (len(before), rows.read()["n"].tolist()) == (0, [7])
