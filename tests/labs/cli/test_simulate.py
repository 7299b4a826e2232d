from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.labs.cli.conftest import Command, ended, spawn

SCENARIO = """
title: A small shop
manifests: [shop.yaml]
duration: 4s
workloads:
  details-v1: {latency: {exponential: 3ms}, disturbances: [{share: 0.1, status: 503}]}
clients:
- {name: readers, url: "http://shop.example.com/", rate: 50}
- {name: page, from: productpage-v1.default, url: "http://details:9080/", users: 3, think: 20ms}
"""


@pytest.fixture
def scenario(shop: Path, tmp_path: Path) -> Path:
    path = tmp_path / "scenario.yaml"
    path.write_text(SCENARIO)
    return path


def test_a_summary_for_people(meshdojo: Command, scenario: Path) -> None:
    found = meshdojo("simulate", scenario, "--seed", 3)

    assert found.code == 0
    assert "A small shop: 4 s simulated, seed 3" in found.out
    for words in ("readers", "details", "p99 ms", "success", "v1 100.0 %"):
        assert words in found.out


def test_the_same_seed_gives_the_same_bytes_under_any_hash_seed(scenario: Path) -> None:
    found = [
        ended(spawn("simulate", scenario, "--seed", 5, "-o", "json", PYTHONHASHSEED=hash_seed))
        for hash_seed in ("0", "1", "4711")
    ]

    assert [each.code for each in found] == [0, 0, 0]
    assert json.loads(found[0].out)["seed"] == 5
    assert len({each.out for each in found}) == 1


def test_another_seed_gives_another_run(meshdojo: Command, scenario: Path) -> None:
    outs = [meshdojo("simulate", scenario, "--seed", seed, "-o", "json").out for seed in (1, 2)]

    assert outs[0] != outs[1]


def test_until_shortens_a_run(meshdojo: Command, scenario: Path) -> None:
    found = meshdojo("simulate", scenario, "--until", "1s500ms", "-o", "json")

    assert json.loads(found.out)["summary"]["duration_ns"] == 1_500_000_000


def test_tables_and_figures_are_written(meshdojo: Command, scenario: Path, tmp_path: Path) -> None:
    out, figures = tmp_path / "new" / "tables", tmp_path / "figures"

    found = meshdojo("simulate", scenario, "--out", out, "--plot", figures, "-o", "json")

    run = json.loads(found.out)
    assert {each.name for each in figures.iterdir()} == {
        "latency.png",
        "shares.png",
        "topology.png",
    }
    assert json.loads((out / "run.json").read_text()) == run
    with (out / "figures.csv").open() as file:
        rows = {(each["kind"], each["source"]): each for each in csv.DictReader(file)}
    assert int(rows["client", "readers"]["requests"]) == next(
        each["figures"]["requests"]
        for each in run["summary"]["clients"]
        if each["name"] == "readers"
    )
    assert "# TYPE istio_requests_total counter\n" in (out / "metrics.prom").read_text()
    with (out / "requests.csv").open() as file:
        assert sum(1 for _ in file) > 100


def test_replications_estimate_what_single_runs_say(
    meshdojo: Command, scenario: Path, tmp_path: Path
) -> None:
    single = [
        json.loads(meshdojo("simulate", scenario, "--seed", seed, "-o", "json").out)
        for seed in (7, 8, 9)
    ]
    found = meshdojo(
        "simulate", scenario, "--seed", 7, "--replications", 3, "--out", tmp_path, "-o", "json"
    )

    document = json.loads(found.out)
    assert (document["schema"], document["seeds"]) == ("ensemble.v1", [7, 8, 9])
    rates = [each["summary"]["clients"][0]["figures"]["rate"] for each in single]
    estimate = document["rows"][0]["figures"]["rate"]
    assert estimate["mean"] == pytest.approx(sum(rates) / 3)
    assert estimate["low"] < estimate["mean"] < estimate["high"]
    assert "client,readers,rate," in (tmp_path / "ensemble.csv").read_text()


@pytest.mark.parametrize(
    ("slos", "code", "wanted"),
    [
        pytest.param("{client: page, p99: 1s, errors: 50%}", 0, "p99 <= 1,000.00 ms", id="kept"),
        pytest.param("{client: page, p99: 1s, errors: 0.5%}", 1, "errors <= 0.50 %", id="errors"),
        pytest.param("{client: page, p50: 1us}", 1, "NOT KEPT", id="too-slow"),
        pytest.param(
            "{client: pages, p50: 1s}", 1, "scenario.yaml:10:7: error", id="unknown-client"
        ),
        pytest.param("{client: page}", 1, "scenario.yaml:10:8: error", id="promises-nothing"),
        pytest.param("{client: page, errors: some}", 1, "scenario.yaml:10:31: error", id="words"),
    ],
)
def test_promises_give_a_verdict(
    meshdojo: Command, scenario: Path, slos: str, code: int, wanted: str
) -> None:
    scenario.write_text(f"{SCENARIO}slos: [{slos}]\n")

    found = meshdojo("simulate", scenario)

    assert found.code == code
    assert wanted in found.out + found.err


@pytest.mark.parametrize(
    ("options", "code", "wanted"),
    [
        pytest.param(["--until", "soon"], 2, "'soon' is not a duration", id="a-bad-duration"),
        pytest.param(["--until", "0s"], 2, "longer than nothing", id="no-duration"),
        pytest.param(["--replications", 0], 2, "--replications", id="no-replications"),
        pytest.param(["--replications", 2, "--plot", "x"], 2, "of one run", id="plots-of-many"),
        pytest.param(["--plot", "shop.yaml/x"], 2, "cannot be a folder", id="no-folder"),
        pytest.param(["-f", "nowhere"], 2, "no file or folder nowhere", id="a-missing-file"),
    ],
)
def test_wrong_usage(
    meshdojo: Command,
    scenario: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[object],
    code: int,
    wanted: str,
) -> None:
    monkeypatch.chdir(scenario.parent)

    found = meshdojo("simulate", scenario, *options)

    assert (found.code, found.out) == (code, "")
    assert wanted in found.err


@pytest.mark.parametrize(
    ("text", "code", "wanted"),
    [
        pytest.param("manifests: [shop.yaml]", 2, "has no `clients`", id="no-clients"),
        pytest.param("manifest: [shop.yaml]", 1, "scenario.yaml:1:1: error", id="a-typo"),
        pytest.param("manifests: [gone.yaml]", 1, "gone.yaml", id="a-missing-manifest"),
        pytest.param(
            "manifests: [shop.yaml]\nworkloads: {nobody: {}}", 1, "nobody", id="an-unknown-workload"
        ),
    ],
)
def test_a_wrong_scenario(
    meshdojo: Command, scenario: Path, text: str, code: int, wanted: str
) -> None:
    scenario.write_text(text)

    found = meshdojo("simulate", scenario)

    assert (found.code, found.out) == (code, "")
    assert wanted in found.err


EVENTS = """
events:
- at: 1s
  apply:
  - apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: details}
    spec: {host: details, subsets: [{name: v1, labels: {version: v1}}]}
- {at: 1s, slow_proxy: {workload: productpage-v1, by: 500ms, for: 10s}}
"""


@pytest.fixture
def changing(scenario: Path) -> Path:
    scenario.write_text(scenario.read_text() + EVENTS)
    return scenario


def test_pushes_are_listed(meshdojo: Command, changing: Path) -> None:
    found = meshdojo("simulate", changing)
    (line,) = (each for each in found.out.splitlines() if "DestinationRule details.default" in each)
    assert line.split()[:2] == ["1.005", "1.105"]

    document = json.loads(meshdojo("simulate", changing, "-o", "json").out)
    assert [each["changed_ns"] for each in document["pushes"]] == [1_005_000_000]


@pytest.mark.parametrize(
    ("at", "sync"),
    [
        pytest.param("1s", "SYNCED", id="before"),
        pytest.param("1500ms", "STALE", id="while-it-is-on-its-way"),
        pytest.param("4s", "SYNCED", id="after"),
    ],
)
def test_a_moment_is_shown_as_it_is(meshdojo: Command, changing: Path, at: str, sync: str) -> None:
    shown = meshdojo("proxy-status", "productpage", "--scenario", changing, "--at", at).out
    assert shown.splitlines()[1].split()[2] == sync

    proxy = ("productpage-v1.default", "--scenario", changing, "--at", at)
    held = meshdojo(
        "proxy-config", "clusters", *proxy, "--subset", "v1", "--fqdn", "details"
    ).out.splitlines()
    assert len(held) == (2 if at == "4s" else 1)
    sent = meshdojo("xds", "--proxy", *proxy, "--type", "clusters").out
    assert ("outbound|9080|v1|details" in sent) == (at != "1s")


def test_a_sandbox_is_seen_as_it_is_now(meshdojo: Command) -> None:
    found = meshdojo("proxy-config", "routes", "a.default", "--sandbox", "x", "--at", "1s")
    assert found.code == 2
    assert "--scenario" in found.err
