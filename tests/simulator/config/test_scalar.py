"""Scalars mean what they mean to Kubernetes: YAML 1.1 as go-yaml reads it, then JSON."""

from __future__ import annotations

import pytest

from simulator.config.yaml import documents


def read(text: str) -> object:
    found, diagnostics = documents("a.yaml", f"value: {text}")

    assert diagnostics == ()
    assert isinstance(found[0].value, dict)
    return found[0].value.get("value")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("yes", True, id="yes-is-true"),
        pytest.param("on", True, id="on-is-true"),
        pytest.param("n", False, id="n-is-false"),
        pytest.param("Off", False, id="off-is-false"),
        pytest.param("yEs", "yEs", id="odd-case-is-text"),
        pytest.param('"yes"', "yes", id="quoted-yes-is-text"),
        pytest.param("~", None, id="a-tilde-is-null"),
        pytest.param("012", 10, id="a-leading-zero-is-octal"),
        pytest.param("0o12", 10, id="octal-of-yaml-1-2"),
        pytest.param("0x1F", 31, id="hexadecimal"),
        pytest.param("0b101", 5, id="binary"),
        pytest.param("-1_000", -1000, id="underscores-in-numbers"),
        pytest.param("1e3", 1000, id="a-whole-float-is-an-integer"),
        pytest.param("1.50", 1.5, id="a-float"),
        pytest.param(".5", 0.5, id="a-float-without-a-zero"),
        pytest.param("089", 89, id="no-octal-is-a-float"),
        pytest.param("1.2.3", "1.2.3", id="a-version-is-text"),
        pytest.param("2020-01-02", "2020-01-02", id="a-date-is-text"),
        pytest.param("10s", "10s", id="a-duration-is-text"),
        pytest.param("!!str 1", "1", id="a-tag-makes-text"),
        pytest.param("!!int '7'", 7, id="a-tag-makes-a-number"),
        pytest.param("|\n  two\n  lines\n", "two\nlines\n", id="a-block-is-text"),
    ],
)
def test_a_scalar(text: str, value: object) -> None:
    got = read(text)

    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize("text", [".inf", "-.INF", ".nan", "1e400"])
def test_a_number_that_json_cannot_hold_is_refused(text: str) -> None:
    _, diagnostics = documents("a.yaml", f"value: {text}")

    assert [(each.code, each.position.column) for each in diagnostics if each.position] == [
        ("bad-scalar", 8)
    ]
