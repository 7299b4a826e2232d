from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox.jail.confine import lacking
from tests.labs.cli.conftest import Command, Ended
from tests.support.required import need

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
        pytest.param("routes.yaml", "- a", 2, "not hold one object", id="routes-not-an-object"),
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


HTTP = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3."
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
BOOTSTRAP = """
static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: 10000}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": HTTP.HttpConnectionManager
          stat_prefix: shop
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {prefix: /}
                route: {cluster: pages}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": ROUTER}
  clusters:
  - name: pages
    load_assignment:
      cluster_name: pages
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 8080}}}
""".replace("HTTP.", HTTP).replace("ROUTER", ROUTER)


@pytest.fixture
def bootstrap(tmp_path: Path) -> Path:
    path = tmp_path / "envoy.yaml"
    path.write_text(BOOTSTRAP)
    (tmp_path / "requests.yaml").write_text('- {url: "http://shop:10000/", count: 2}\n')
    return path


def run(meshdojo: Command, bootstrap: Path, *more: object) -> Ended:
    requests = bootstrap.with_name("requests.yaml")
    return meshdojo("envoy", "run", "-c", bootstrap, "--requests", requests, *more)


def test_a_bootstrap_is_probed(meshdojo: Command, bootstrap: Path) -> None:
    found = run(meshdojo, bootstrap)

    assert found.code == 0
    seen = [json.loads(line) for line in found.out.splitlines()]
    assert [(each["status"], each["cluster"]) for each in seen] == [(200, "pages")] * 2
    assert seen[0]["upstream"]["address"] == "127.0.0.1:8080"


def test_reasons_lead_to_the_line_of_the_bootstrap(meshdojo: Command, bootstrap: Path) -> None:
    found = run(meshdojo, bootstrap, "-o", "text", "--explain")

    line = BOOTSTRAP.splitlines().index("              - match: {prefix: /}") + 1
    assert f"envoy.yaml:{line}:" in found.out.replace("\n", "")


def test_its_access_log_is_shown(meshdojo: Command, bootstrap: Path) -> None:
    log = """
          access_log:
          - name: envoy.access_loggers.stdout
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog
              log_format:
                text_format_source: {inline_string: "%RESPONSE_CODE% %UPSTREAM_HOST%\\n"}
          http_filters:"""
    bootstrap.write_text(BOOTSTRAP.replace("\n          http_filters:", log))

    shown = run(meshdojo, bootstrap, "-o", "text", "--logs")
    recorded = run(meshdojo, bootstrap)

    assert shown.out.count(": 200 127.0.0.1:8080\n") == 2
    (hop,) = json.loads(recorded.out.splitlines()[0])["hops"]
    assert hop["logged"] == [{"sink": "/dev/stdout", "text": "200 127.0.0.1:8080\n"}]


def test_its_administration_is_shown(meshdojo: Command, bootstrap: Path) -> None:
    options = ("-c", bootstrap, "--requests", bootstrap.with_name("requests.yaml"))

    counted = meshdojo("envoy", "admin", "/stats?usedonly&filter=upstream_rq_2", *options)
    listed = meshdojo("envoy", "admin", "/clusters", *options)
    idle = meshdojo("envoy", "admin", "/stats?usedonly&filter=upstream_rq_2", "-c", bootstrap)

    assert "cluster.pages.upstream_rq_200: 2\n" in counted.out
    assert "pages::127.0.0.1:8080::rq_success::2\n" in listed.out
    assert (idle.code, idle.out) == (0, "")


def test_a_page_that_is_not_there_is_refused(meshdojo: Command, bootstrap: Path) -> None:
    found = meshdojo("envoy", "admin", "/config_dump?resource=nope", "-c", bootstrap)

    assert found.code == 1
    assert found.err.startswith("nope not found in config dump")


@pytest.mark.envoy
def test_the_real_envoy_runs_a_bootstrap_in_a_jail(meshdojo: Command, bootstrap: Path) -> None:
    need("bwrap", lacking())
    found = run(meshdojo, bootstrap, "--engine", "envoy")
    seen = [json.loads(line) for line in found.out.splitlines()]

    assert found.code == 0
    assert [(each["status"], each["cluster"]) for each in seen] == [(200, "pages")] * 2


def test_without_a_jail_a_bootstrap_is_not_run_on_a_real_envoy(
    meshdojo: Command, bootstrap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    found = run(meshdojo, bootstrap, "--engine", "envoy")

    assert (found.code, found.out) == (3, "")
    assert "Try: apt-get install bubblewrap, or --engine sim" in found.err


@pytest.mark.parametrize(
    ("name", "text", "code", "wanted"),
    [
        pytest.param("envoy.yaml", "a: [", 2, "envoy.yaml:2:1: error", id="not-yaml"),
        pytest.param("envoy.yaml", "static: {}", 1, "no field `static`", id="an-unknown-field"),
        pytest.param("requests.yaml", "", 2, "holds no requests", id="no-requests"),
        pytest.param(
            "requests.yaml", "- url: ftp://shop:10000/", 2, "request-1", id="no-scheme-of-http"
        ),
    ],
)
def test_a_bootstrap_or_request_that_cannot_be_used(
    meshdojo: Command, bootstrap: Path, name: str, text: str, code: int, wanted: str
) -> None:
    bootstrap.with_name(name).write_text(text)

    found = run(meshdojo, bootstrap)

    assert (found.code, found.out) == (code, "")
    assert wanted in found.err
