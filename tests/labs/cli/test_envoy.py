from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.labs.cli.conftest import Command

ROUTES = """
virtual_hosts:
- name: shop
  domains: ["*"]
  routes:
  - match: {prefix: /old}
    redirect: {path_redirect: /new}
  - match: {prefix: /}
    route: {cluster: pages}
"""


@pytest.fixture
def routes(tmp_path: Path) -> Path:
    path = tmp_path / "routes.yaml"
    path.write_text(ROUTES)
    return path


def expecting(path: str, **validate: str) -> str:
    request = {"authority": "shop", "path": path}
    return json.dumps({"tests": [{"test_name": path, "input": request, "validate": validate}]})


@pytest.mark.parametrize(
    ("tests", "code", "wanted"),
    [
        pytest.param(
            expecting("/x", cluster_name="pages"), 0, "Current route coverage: 50%", id="passed"
        ),
        pytest.param(
            expecting("/x", cluster_name="other"),
            1,
            "expected: [other], actual: [pages], test type: cluster_name",
            id="failed",
        ),
    ],
)
def test_routes_are_checked(
    meshdojo: Command, routes: Path, tmp_path: Path, tests: str, code: int, wanted: str
) -> None:
    (tmp_path / "tests.json").write_text(tests)

    found = meshdojo(
        "envoy", "route-check", "-c", routes, "-t", tmp_path / "tests.json", "--details"
    )

    assert found.code == code
    assert found.out.splitlines()[0] == "/x"
    assert wanted in found.out


def test_the_report_as_json(meshdojo: Command, routes: Path, tmp_path: Path) -> None:
    (tmp_path / "tests.json").write_text(expecting("/old/a", path_redirect="http://shop/new"))

    found = meshdojo(
        "envoy", "route-check", "-c", routes, "-t", tmp_path / "tests.json", "-o", "json"
    )

    document = json.loads(found.out)
    assert (document["ok"], document["coverage_pct"]) == (True, 50.0)
    assert document["results"] == [{"name": "/old/a", "failures": []}]


@pytest.mark.parametrize(
    ("name", "text", "code", "wanted"),
    [
        pytest.param("routes.yaml", "[", 2, "routes.yaml:2:1: error", id="routes-not-yaml"),
        pytest.param("routes.yaml", "- a", 2, "one RouteConfiguration", id="routes-not-an-object"),
        pytest.param("routes.yaml", "virtual_host: []", 1, "virtual_host", id="an-unknown-field"),
        pytest.param("tests.json", "{}", 2, "tests", id="no-tests"),
        pytest.param("tests.json", '{"tests": [{"x": 1}]}', 2, "tests[0].x", id="a-wrong-test"),
    ],
)
def test_files_that_cannot_be_used(
    meshdojo: Command, routes: Path, tmp_path: Path, name: str, text: str, code: int, wanted: str
) -> None:
    (tmp_path / "tests.json").write_text(expecting("/x"))
    (tmp_path / name).write_text(text)

    found = meshdojo("envoy", "route-check", "-c", routes, "-t", tmp_path / "tests.json")

    assert (found.code, found.out) == (code, "")
    assert wanted in found.err
