"""Whatever the text, the answer is documents and findings that say where; bombs stay small."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.config import compose
from simulator.config.yaml import LONGEST_BYTES, decode, documents


def billion_laughs(levels: int) -> str:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    for level in range(1, levels):
        inner = ", ".join(f"*a{level - 1}" for _ in range(10))
        lines.append(f"a{level}: &a{level} [{inner}]")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        pytest.param("a: [1, 2\nb: 3\n", "yaml-syntax", 2, 2, id="an-open-bracket"),
        pytest.param("a: 1\na: 2\n", "duplicate-key", 2, 1, id="a-key-twice"),
        pytest.param("a:\n  - &x [*x]\n", "endless-anchor", 2, 9, id="an-anchor-inside-itself"),
        pytest.param("a: *nobody\n", "unknown-anchor", 1, 4, id="an-alias-of-nothing"),
        pytest.param("a: !ruby/object x\n", "unknown-tag", 1, 4, id="a-tag-of-a-language"),
        pytest.param("? [1, 2]\n: x\n", "bad-key", 1, 3, id="a-list-as-a-key"),
        pytest.param("a:\n  <<: 3\n", "bad-merge", 2, 7, id="a-merge-of-a-number"),
        pytest.param("a: \x01\n", "unprintable", 1, 4, id="a-control-character"),
        pytest.param(billion_laughs(9), "alias-bomb", None, None, id="billion-laughs"),
        pytest.param("[" * 100 + "]" * 100, "too-deep", 1, 65, id="brackets-without-end"),
        pytest.param("- a\n" * 600_000, "too-large", None, None, id="values-without-end"),
        pytest.param("--- {}\n" * 10_001, "too-large", 10_001, None, id="documents-without-end"),
        pytest.param("x" * (LONGEST_BYTES + 1), "too-large", 1, 1, id="bytes-without-end"),
    ],
)
def test_a_broken_text(text: str, code: str, line: int | None, column: int | None) -> None:
    _, diagnostics = documents("broken.yaml", text)

    assert [each.code for each in diagnostics] == [code]
    place = diagnostics[0].position
    assert place is not None
    assert place.file == "broken.yaml"
    assert line in (None, place.line)
    assert column in (None, place.column)
    assert diagnostics[0].hint


def test_a_merge_gives_way_to_what_is_written() -> None:
    text = "base: &base {a: 1, b: 2}\nmore: &more {b: 3, c: 3}\nall: {<<: [*base, *more], a: 9}\n"
    found, diagnostics = documents("a.yaml", text)

    assert diagnostics == ()
    assert found[0].value["all"] == {"a": 9, "b": 2, "c": 3}


def test_merges_without_end_are_counted() -> None:
    wide = ", ".join(f"k{number}: 1" for number in range(1000))
    many = "\n".join(f"m{number}: {{<<: *wide}}" for number in range(200))
    _, diagnostics = documents("a.yaml", f"wide: &wide {{{wide}}}\n{many}\n")

    assert [each.code for each in diagnostics] == ["alias-bomb"]


def test_an_alias_counts_as_often_as_it_stands() -> None:
    assert compose.MOST_ALIASED < 10**9
    found, diagnostics = documents("a.yaml", "a: &a [1, 2]\nb: [*a, *a]\n")

    assert diagnostics == ()
    assert found[0].value == {"a": [1, 2], "b": [[1, 2], [1, 2]]}


def test_documents_are_kept_apart() -> None:
    found, diagnostics = documents("a.yaml", "a: 1\n---\n# nothing\n---\nb: 2\n")

    assert diagnostics == ()
    assert [each.value for each in found] == [{"a": 1}, {"b": 2}]
    assert str(found[1].positions.name("b")) == "a.yaml:5:1"


def test_what_stands_before_a_mistake_is_kept() -> None:
    found, diagnostics = documents("a.yaml", "a: 1\n---\nb: [\n---\n")

    assert [each.value for each in found] == [{"a": 1}]
    assert [each.code for each in diagnostics] == ["yaml-syntax"]


def test_a_file_that_is_no_text() -> None:
    text, diagnostics = decode("a.yaml", b"a: 1\nb: \xff\xfe\n")

    assert text is None
    assert [(each.code, str(each.position)) for each in diagnostics] == [("not-utf8", "a.yaml:2:4")]


def test_a_byte_order_mark_is_passed_over() -> None:
    text, diagnostics = decode("a.yaml", b"\xef\xbb\xbfa: 1\n")

    assert (text, diagnostics) == ("a: 1\n", ())


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%@, \n\t0?<~", max_size=60))
def test_no_text_raises(text: str) -> None:
    found, diagnostics = documents("a.yaml", text)

    assert all(each.position is not None for each in diagnostics)
    assert isinstance(found, tuple)
