"""The door: loading, refusing, probing, running, and the same bytes every time."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from simulator.config.scenario import Request, ScenarioFile
from simulator.istiod.registry import UnknownProxyError
from simulator.observe.explain import Node
from simulator.scenario import Scenario, ScenarioError
from tests.support.golden import Golden
from tests.support.mesh import deployment, istio, scenario, service

RULE = {
    "hosts": ["a"],
    "http": [{"timeout": "1s", "route": [{"destination": {"host": "a"}}]}],
}
SCENARIO = """\
schema: scenario.v1
title: From a file
manifests: [app.yaml]
seed: 7
duration: 2s
workloads:
  a: {latency: {exponential: 5ms}}
clients:
  - {name: web, from: client.default, url: "http://a:9080/", rate: 100}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "scenario.yaml").write_text(SCENARIO)
    app = [service("a"), deployment("a", "a", replicas=2), deployment("client", "client")]
    (tmp_path / "app.yaml").write_text("\n---\n".join(app))
    (tmp_path / "rule.yaml").write_text(istio("VirtualService", "a", RULE))
    return tmp_path


def ask(**more: Any) -> Request:
    return Request.model_validate({"url": "http://a:9080/", "from": "client.default"} | more)


def codes(error: ScenarioError) -> set[str]:
    return {each.code for each in error.diagnostics}


def test_a_files_manifests_are_beside_it(folder: Path) -> None:
    loaded = Scenario.load(str(folder / "scenario.yaml"))

    assert loaded.file.title == "From a file"
    assert [pod.ref for pod in loaded.mesh.pods_of("a.default")] == ["a-0.default", "a-1.default"]


def test_more_manifests_come_after_the_files_own(folder: Path) -> None:
    loaded = Scenario.load(str(folder / "scenario.yaml"), [str(folder / "rule.yaml")])

    assert [each.kind for each in loaded.manifests.objects][-1] == "VirtualService"


def test_paths_are_enough(folder: Path) -> None:
    plain = Scenario.of([str(folder / "app.yaml")])

    assert plain.file == ScenarioFile()
    assert plain.probe([ask()])[0].status == 200


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        Scenario.load(str(tmp_path / "no.yaml"))

    assert codes(caught.value) == {"missing-file"}


def test_a_wrong_field_is_refused_with_its_place(folder: Path) -> None:
    (folder / "scenario.yaml").write_text(SCENARIO + "sede: 1\n")
    with pytest.raises(ScenarioError) as caught:
        Scenario.load(str(folder / "scenario.yaml"))
    position = caught.value.diagnostics[0].position

    assert position is not None
    assert position.line == 10


def test_manifests_with_errors_are_refused(folder: Path) -> None:
    (folder / "app.yaml").write_text("kind: Service\n")

    with pytest.raises(ScenarioError):
        Scenario.load(str(folder / "scenario.yaml"))


@pytest.mark.parametrize(
    ("file", "code"),
    [
        pytest.param({"workloads": {"aa": {}}}, "scenario-workload", id="unknown-workload"),
        pytest.param(
            {"clients": [{"name": "c", "from": "aa.default", "url": "http://a/", "rate": 1}]},
            "scenario-client",
            id="unknown-source",
        ),
        pytest.param(
            {"clients": [{"name": "c", "via": "aa.default", "url": "http://a/", "rate": 1}]},
            "scenario-client",
            id="unknown-gateway",
        ),
        pytest.param(
            {"clients": [{"name": "c", "url": "https://a/", "rate": 1}]},
            "scenario-url",
            id="a-client-speaks-https",
        ),
        pytest.param(
            {"workloads": {"a": {"calls": [{"url": "b:9080"}]}}},
            "scenario-url",
            id="a-call-without-a-scheme",
        ),
    ],
)
def test_a_scenario_that_does_not_fit_its_mesh_is_refused(file: dict[str, Any], code: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario(service("a"), deployment("a", "a"), **file)

    assert codes(caught.value) == {code}


def test_an_unknown_client_is_named_with_its_like() -> None:
    mesh = scenario(service("a"), deployment("a", "a"), deployment("client", "client"))

    with pytest.raises(UnknownProxyError) as caught:
        mesh.probe([ask(**{"from": "clent.default"})])

    assert "client.default" in caught.value.near


def test_requests_are_named_by_their_place_and_counted() -> None:
    mesh = scenario(service("a"), deployment("a", "a"), deployment("client", "client"))
    seen = mesh.probe([ask(count=2), ask(id="mine")])

    assert [(one.id, one.n) for one in seen] == [("request-1", 0), ("request-1", 1), ("mine", 0)]


def test_an_explanation_points_at_the_manifests(folder: Path) -> None:
    rule = folder / "rule.yaml"
    loaded = Scenario.load(str(folder / "scenario.yaml"), [str(rule)])
    (seen,) = loaded.probe([ask()], explain=True)
    assert seen.explain is not None
    nodes = list(walk(seen.explain))
    sources = {node.what: node.source for node in nodes if node.source}

    assert [node.name for node in nodes if node.what == "proxy"] == [
        "client-0.default outbound",
        f"{seen.hops[1].proxy} inbound",
    ]
    assert any(node.what == "route" and (node.source or "").startswith(str(rule)) for node in nodes)
    assert "endpoint" in sources


def walk(node: Node) -> list[Node]:
    return [node, *(inner for child in node.children for inner in walk(child))]


def test_an_explained_request_goes_the_same_way(folder: Path) -> None:
    loaded = Scenario.load(str(folder / "scenario.yaml"))
    plain = loaded.probe([ask(count=5)])
    explained = loaded.probe([ask(count=5)], explain=True)

    assert [one.hops for one in plain] == [one.hops for one in explained]


def test_what_is_not_simulated_is_told() -> None:
    limits = {"http": {"http2KeepAlive": {"interval": "1s", "timeout": "1s"}}}
    rule = {"host": "a", "trafficPolicy": {"connectionPool": limits}}
    mesh = scenario(
        service("a"),
        deployment("a", "a"),
        deployment("client", "client"),
        istio("DestinationRule", "a", rule),
    )

    told = [str(each) for each in mesh.diagnostics if each.code == "not-simulated"]
    assert any("http2KeepAlive" in each for each in told)


def test_a_circle_of_calls_is_stopped() -> None:
    mesh = scenario(
        service("a"),
        deployment("a", "a"),
        deployment("client", "client"),
        workloads={"a": {"calls": [{"url": "http://a:9080/"}] * 2}},
    )
    with pytest.raises(ScenarioError) as caught:
        mesh.probe([ask()])

    assert codes(caught.value) == {"scenario-too-much"}


def test_more_requests_than_can_be_played_are_refused_at_once(folder: Path) -> None:
    (folder / "scenario.yaml").write_text(SCENARIO.replace("rate: 100", "rate: 1000000"))
    loaded = Scenario.load(str(folder / "scenario.yaml"))
    with pytest.raises(ScenarioError, match="some 60,000,000 requests") as caught:
        loaded.run(until_ns=60_000_000_000)

    assert codes(caught.value) == {"scenario-too-much"}


def test_a_run_is_what_it_was_when_it_was_recorded(folder: Path, golden: Golden) -> None:
    text = Scenario.load(str(folder / "scenario.yaml")).run().to_json()
    recorded = json.loads(text)
    # The version changes with every release, and nothing else may.
    recorded.pop("version")

    golden.check(
        Path(__file__).parent / "golden" / "run.json",
        json.dumps(recorded, indent=1, sort_keys=True) + "\n",
    )


def test_progress_is_told_up_to_the_end(folder: Path) -> None:
    told: list[float] = []
    Scenario.load(str(folder / "scenario.yaml")).run(progress=told.append)

    assert told == sorted(told)
    assert told[-1] == 1.0


def test_the_digest_is_of_the_content_not_of_the_place(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    for file in ("scenario.yaml", "app.yaml"):
        (other / file).write_text((folder / file).read_text())
    here, there = (Scenario.load(str(each / "scenario.yaml")) for each in (folder, other))
    (other / "scenario.yaml").write_text(SCENARIO.replace("5ms", "6ms"))
    changed = Scenario.load(str(other / "scenario.yaml"))

    assert here.digest == there.digest
    assert here.digest != changed.digest


def test_seeds_differ_and_a_seed_does_not(folder: Path) -> None:
    loaded = Scenario.load(str(folder / "scenario.yaml"))

    assert loaded.run().to_json() == loaded.run(seed=7).to_json()
    assert loaded.run().to_json() != loaded.run(seed=8).to_json()


def test_replications_are_the_same_in_other_processes(folder: Path) -> None:
    loaded = Scenario.load(str(folder / "scenario.yaml"))
    here = [run.to_json() for run in loaded.replicate([1, 2, 3])]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        there = [run.to_json() for run in loaded.replicate([1, 2, 3], executor)]

    assert here == there
    assert len(set(here)) == 3


_PRINT = """
import sys
from simulator import Scenario
print(Scenario.load(sys.argv[1]).run().to_json())
"""


def test_a_run_is_the_same_bytes_in_any_process(folder: Path) -> None:
    path = str(folder / "scenario.yaml")
    outputs = {
        subprocess.run(
            [sys.executable, "-c", _PRINT, path],
            env={"PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for hash_seed in ("0", "1", "4711")
    }

    assert outputs == {Scenario.load(path).run().to_json() + "\n"}
