from __future__ import annotations

import pytest

from simulator.config.requests import read_requests


def test_only_the_url_is_required() -> None:
    requests, found = read_requests(
        "r.yaml", "- url: http://a/\n- {id: x, url: http://b/, from: c.d}"
    )

    assert not found
    assert [(each.id, each.url, each.from_) for each in requests] == [
        (None, "http://a/", "outside"),
        ("x", "http://b/", "c.d"),
    ]


def test_json_is_read_too() -> None:
    requests, found = read_requests("r.json", '[{"url": "http://a/", "count": 3}]')

    assert (found, requests[0].count) == ((), 3)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("", "r.yaml:1:1: error [no-requests]", id="an-empty-file"),
        pytest.param("[]", "r.yaml:1:1: error [no-requests]", id="an-empty-list"),
        pytest.param("url: http://a/", "r.yaml:1:1: error [wrong-type]", id="not-a-list"),
        pytest.param("- url: http://a/\n- [", "r.yaml:3:1: error [yaml-syntax]", id="bad-yaml"),
        pytest.param("- {}\n", "r.yaml:1:3: error [missing-field]", id="no-url"),
        pytest.param(
            "- url: http://a/\n  methode: GET", "2:3: error [unknown-field]", id="an-unknown-field"
        ),
        pytest.param("- {url: http://a/, count: 0}", "1:27: error [bad-value]", id="no-count"),
        pytest.param("- url: x\n---\n- url: z", "3:1: error [several-documents]", id="two-lists"),
        pytest.param(
            "- {url: x, id: a}\n- {url: z, id: a}", "2:16: error [repeated-id]", id="an-id-twice"
        ),
        pytest.param(
            "- {url: x, id: request-2}\n- {url: z}",
            "2:3: error [repeated-id]",
            id="an-id-that-another-has-by-its-place",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, wanted: str) -> None:
    requests, found = read_requests("r.yaml", text)

    assert requests == ()
    assert wanted in str(found[0])
