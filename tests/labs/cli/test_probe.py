from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest
from jsonschema import validate

from tests.labs.cli.conftest import Command

REQUESTS = """
- {id: jason, from: productpage-v1.default, url: "http://reviews:9080/", headers: {end-user: jason}}
- {url: "http://shop.example.com/", count: 2}
- {id: nobody, from: details-v1.default, url: "http://nobody:9080/"}
"""


@pytest.fixture
def requests(tmp_path: Path) -> Path:
    path = tmp_path / "requests.yaml"
    path.write_text(REQUESTS)
    return path


def test_one_observation_a_line_for_each_request_sent(
    meshdojo: Command, shop: Path, requests: Path
) -> None:
    found = meshdojo("probe", "-f", shop, "--requests", requests)

    assert found.code == 0
    seen = [json.loads(line) for line in found.out.splitlines()]
    assert [(each["id"], each["n"], each.get("status")) for each in seen] == [
        ("jason", 0, 200),
        ("request-2", 0, 200),
        ("request-2", 1, 200),
        ("nobody", 0, None),
    ]
    schema = json.loads(files("simulator").joinpath("schemas/observation.v1.json").read_text())
    for each in seen:
        validate(each, schema)


def test_nothing_is_said_of_what_istiod_always_sends(
    meshdojo: Command, shop: Path, requests: Path
) -> None:
    assert meshdojo("probe", "-f", shop, "--requests", requests).err == ""


def test_text_says_who_answered(meshdojo: Command, shop: Path, requests: Path) -> None:
    lines = meshdojo("probe", "-f", shop, "--requests", requests, "-o", "text").out.splitlines()

    assert lines[0].startswith("jason #0 200 from reviews-v2-0.default after ")
    assert lines[3].startswith("nobody #0 no response")


def test_reasons_lead_to_the_line_of_the_manifest(
    meshdojo: Command, shop: Path, requests: Path
) -> None:
    found = meshdojo("probe", "-f", shop, "--requests", requests, "-o", "text", "--explain")

    line = shop.read_text().splitlines().index("  - name: jason") + 2
    assert any(
        "route jason" in each and f"shop.yaml:{line}:" in each for each in found.out.splitlines()
    )


def test_a_scenario_brings_its_own_manifests(
    meshdojo: Command, shop: Path, requests: Path, tmp_path: Path
) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(
        "manifests: [shop.yaml]\nworkloads: {reviews-v2: {script: [{status: 418}]}}"
    )

    found = meshdojo("probe", "--scenario", scenario, "--requests", requests)

    assert json.loads(found.out.splitlines()[0])["status"] == 418


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("", "requests.yaml:1:1: error [no-requests]", id="an-empty-file"),
        pytest.param("url: http://a/", "requests.yaml:1:1: error [wrong-type]", id="not-a-list"),
        pytest.param("- id: a", "requests.yaml:1:3: error [missing-field]", id="no-url"),
        pytest.param(
            "- {url: http://a/, from: nobody.default}",
            "no pod or Deployment 'nobody.default'",
            id="an-unknown-client",
        ),
    ],
)
def test_wrong_requests_are_wrong_usage(
    meshdojo: Command, shop: Path, requests: Path, text: str, wanted: str
) -> None:
    requests.write_text(text)

    found = meshdojo("probe", "-f", shop, "--requests", requests)

    assert (found.code, found.out) == (2, "")
    assert wanted in found.err


def test_a_missing_request_file_is_wrong_usage(meshdojo: Command, shop: Path) -> None:
    found = meshdojo("probe", "-f", shop, "--requests", "nowhere.yaml")

    assert found.code == 2
    assert "nowhere.yaml" in found.err


@pytest.mark.parametrize("option", [["--explain"], ["--seed", "3"]])
def test_real_envoys_give_no_reasons_and_take_no_seed(
    meshdojo: Command, shop: Path, requests: Path, option: list[str]
) -> None:
    found = meshdojo("probe", "-f", shop, "--requests", requests, "--engine", "envoy", *option)

    assert found.code == 2
    assert f"know no {option[0]}" in found.err


@pytest.mark.envoy
def test_both_planes_print_the_same_record(meshdojo: Command, shop: Path, requests: Path) -> None:
    def discrete(engine: str) -> list[tuple[object, ...]]:
        found = meshdojo("probe", "-f", shop, "--requests", requests, "--engine", engine)
        seen = [json.loads(line) for line in found.out.splitlines()]
        return [
            tuple(each.get(name) for name in ("id", "n", "status", "route", "virtual_host"))
            for each in seen
            if each["id"] != "nobody"
        ]

    assert discrete("envoy") == discrete("sim")
