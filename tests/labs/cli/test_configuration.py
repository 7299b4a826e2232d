"""`analyze` and `xds`: what is written, and what istiod makes of it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from tests.labs.cli.conftest import Command

MISSING_SUBSET = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: details}
spec:
  hosts: [details]
  http:
  - route: [{destination: {host: details, subset: v9}}]
"""
BARE_POD = """
apiVersion: v1
kind: Pod
metadata: {name: bare, namespace: other}
spec: {containers: [{name: app, image: example/app}]}
"""
UNKNOWN_FIELD = MISSING_SUBSET.replace("subset: v9", "subsett: v9")


@pytest.mark.parametrize(
    ("text", "code", "wanted"),
    [
        pytest.param("", 0, "nothing to complain of", id="nothing-is-wrong"),
        pytest.param(MISSING_SUBSET, 1, "more.yaml:8:51: error [IST0101]", id="a-missing-subset"),
        pytest.param(UNKNOWN_FIELD, 1, "more.yaml:8:43: error [unknown-field]", id="a-typo"),
        pytest.param("a: &a [x]\nb: " + "[*a, *a]" * 2, 1, "[yaml-syntax]", id="broken-yaml"),
    ],
)
def test_analyze(
    meshdojo: Command, shop: Path, tmp_path: Path, text: str, code: int, wanted: str
) -> None:
    (tmp_path / "more.yaml").write_text(text)

    found = meshdojo("analyze", "-f", shop, "-f", tmp_path / "more.yaml")

    assert found.code == code
    assert wanted in found.out
    assert found.err == ""


def test_findings_as_json(meshdojo: Command, shop: Path, tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text(MISSING_SUBSET)

    found = meshdojo("analyze", "-f", tmp_path, "-o", "json")
    document = json.loads(found.out)

    assert found.code == 1
    assert document["schema"] == "analysis.v1"
    (finding,) = document["diagnostics"]
    assert (finding["code"], finding["level"]) == ("IST0101", "error")
    assert finding["position"]["line"] == 8


def test_standard_input_is_read(
    meshdojo: Command, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(UNKNOWN_FIELD))

    found = meshdojo("analyze", "-f", shop, "-f", "-")

    assert found.code == 1
    assert "<stdin>:8:" in found.out


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        pytest.param([], "no manifests given. Try: -f FILE", id="no-manifests"),
        pytest.param(["-f", "nowhere.yaml"], "no file or folder nowhere.yaml", id="a-missing-file"),
        pytest.param(["-f", "empty"], "no Kubernetes object in empty", id="an-empty-folder"),
    ],
)
@pytest.mark.parametrize("command", [["analyze"], ["xds", "--proxy", "a.b"]])
def test_wrong_usage(
    meshdojo: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
    arguments: list[str],
    wanted: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()

    found = meshdojo(*command, *arguments)

    assert (found.code, found.out) == (2, "")
    assert wanted in found.err


def test_one_kind_of_resources_is_a_list(meshdojo: Command, shop: Path) -> None:
    found = meshdojo(
        "xds", "-f", shop, "--proxy", "deploy/productpage-v1.default", "--type", "clusters"
    )

    assert found.code == 0
    names = [each["name"] for each in json.loads(found.out)]
    assert "outbound|9080|v2|reviews.default.svc.cluster.local" in names


def test_all_kinds_are_told_apart(meshdojo: Command, shop: Path) -> None:
    found = meshdojo("xds", "-f", shop, "--proxy", "productpage-v1-0.default")

    document = json.loads(found.out)
    assert list(document) == ["listeners", "routes", "clusters", "endpoints", "secrets"]
    assert "virtualOutbound" in [each["name"] for each in document["listeners"]]


def test_a_table_says_which_line_caused_a_route(
    meshdojo: Command, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop.parent)

    found = meshdojo(
        "xds",
        "-f",
        shop.name,
        "--proxy",
        "productpage-v1-0.default",
        "--type",
        "routes",
        "-o",
        "text",
    )

    line = shop.read_text().splitlines().index("  - name: jason") + 2
    rows = [each for each in found.out.splitlines() if "|v2|reviews" in each]
    assert rows
    assert all("header end-user" in row and f"shop.yaml:{line}:" in row for row in rows)


@pytest.mark.parametrize(
    ("more", "proxy", "wanted"),
    [
        pytest.param("", "reviewz-v1.default", "did you mean reviews-v1", id="an-unknown-proxy"),
        pytest.param(
            BARE_POD,
            "bare.other",
            "bare.other has no proxy",
            id="a-pod-without-a-proxy",
        ),
    ],
)
def test_a_proxy_that_is_not_there(
    meshdojo: Command, shop: Path, tmp_path: Path, more: str, proxy: str, wanted: str
) -> None:
    (tmp_path / "more.yaml").write_text(more)

    found = meshdojo("xds", "-f", tmp_path, "--proxy", proxy)

    assert (found.code, found.out) == (2, "")
    assert wanted in found.err
