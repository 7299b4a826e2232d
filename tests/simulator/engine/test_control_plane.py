"""A mesh whose configuration changes while it is used: what clients and proxies see, and when."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from simulator.engine.run import Run
from simulator.istiod.discovery import Sync
from simulator.scenario import Scenario, ScenarioError
from tests.support.mesh import deployment, istio, scenario, service

MESH = (
    service("a"),
    deployment("a-v1", "a", version="v1"),
    deployment("a-v2", "a", version="v2"),
    deployment("client", "client"),
)
ROUTE = {"hosts": ["a"], "http": [{"route": [{"destination": {"host": "a", "subset": "v2"}}]}]}
SUBSETS = {
    "host": "a",
    "subsets": [{"name": name, "labels": {"version": name}} for name in ("v1", "v2")],
}
VIRTUAL_SERVICE = json.loads(istio("VirtualService", "a", ROUTE))
DESTINATION_RULE = json.loads(istio("DestinationRule", "a", SUBSETS))
MS = 1_000_000


def mesh(*events: dict[str, Any], rate: int = 100, **file: Any) -> Scenario:
    client = {"name": "c", "from": "client.default", "url": "http://a:9080/", "rate": rate}
    return scenario(*MESH, clients=[client], events=events, duration="6s", **file)


def statuses(run: Run) -> dict[str, int]:
    return dict(run.summary.clients[0].statuses)


def failed_between(run: Run) -> tuple[int, int]:
    """Return when the first and the last failed request began, in ms."""
    failed = run.requests[run.requests["status"] != 200]["start_ns"]
    return int(failed.min()) // MS, int(failed.max()) // MS


def apply(at: str, *objects: dict[str, Any]) -> dict[str, Any]:
    return {"at": at, "apply": objects}


def test_a_route_to_a_subset_that_comes_later_fails_until_then() -> None:
    run = mesh(apply("1s", VIRTUAL_SERVICE), apply("2s", DESTINATION_RULE)).run(1)
    assert run.summary.clients[0].flags == {"NC": statuses(run)["503"]}
    first, last = failed_between(run)
    assert 1_105 <= first < 1_150
    assert 2_050 < last < 2_115


def test_a_subset_before_its_route_fails_nobody() -> None:
    run = mesh(apply("1s", DESTINATION_RULE), apply("2s", VIRTUAL_SERVICE)).run(1)
    assert set(statuses(run)) == {"200"}
    assert run.summary.clients[0].versions["v2"] > 0.75


def test_a_rule_taken_away_before_the_route_fails_what_the_route_serves() -> None:
    events = (
        apply("1s", DESTINATION_RULE, VIRTUAL_SERVICE),
        {"at": "3s", "delete": ["DestinationRule/a"]},
        {"at": "4s", "delete": ["virtualservice/a.default"]},
    )
    run = mesh(*events).run(1)
    first, last = failed_between(run)
    assert 3_105 <= first < 3_150
    assert 4_050 < last < 4_115


def test_a_route_taken_away_before_its_rule_fails_nobody() -> None:
    events = (
        apply("1s", DESTINATION_RULE),
        apply("2s", VIRTUAL_SERVICE),
        {"at": "3s", "delete": ["VirtualService/a"]},
        {"at": "4s", "delete": ["DestinationRule/a"]},
    )
    assert set(statuses(mesh(*events).run(1))) == {"200"}


def test_changes_soon_after_one_another_are_one_push() -> None:
    run = mesh(apply("1s", DESTINATION_RULE), apply("1050ms", VIRTUAL_SERVICE)).run(1)
    (push,) = run.pushes
    assert push.changes == (
        "DestinationRule a.default applied",
        "VirtualService a.default applied",
    )
    assert push.changed_ns == 1_005 * MS
    assert push.begun_ns == 1_155 * MS, "100 ms after the second change"
    assert push.begun_ns < push.built_ns < push.done_ns < 1_165 * MS
    assert push.full
    assert push.proxies == 4
    assert push.refused == 0


def test_the_debounce_is_as_the_scenario_says() -> None:
    events = [apply("1s", DESTINATION_RULE)]
    run = mesh(*events, istiod={"debounce_after": "1s"}).run(1)
    assert run.pushes[0].begun_ns == 2_005 * MS


def test_an_edit_is_merged() -> None:
    weights = [
        {"destination": {"host": "a", "subset": name}, "weight": weight}
        for name, weight in (("v1", 100), ("v2", 0))
    ]
    edit = {"object": "VirtualService/a", "merge": {"spec": {"http": [{"route": weights}]}}}
    run = mesh(
        apply("0s", DESTINATION_RULE), apply("500ms", VIRTUAL_SERVICE), {"at": "3s", "edit": edit}
    ).run(1)
    assert set(statuses(run)) == {"200"}
    late = run.hops[(run.hops["received_ns"] > 3_200 * MS) & (run.hops["endpoint"] >= 0)]
    served = {run.names[number] for number in late["endpoint"].tolist()}
    assert served == {"10.244.0.1:9080"}


def test_new_pods_serve_when_they_are_ready_and_no_other_kind_is_sent() -> None:
    scale = {"at": "1s", "scale": {"workload": "a-v1", "replicas": 3}, "ready": "500ms"}
    run = mesh(scale).run(1)
    (push,) = run.pushes
    assert push.changes == ("pods of Deployment a-v1.default ready",)
    assert not push.full
    assert push.begun_ns == 1_605 * MS
    assert {each.kind for each in run.deliveries} == {"endpoints"}
    assert set(statuses(run)) == {"200"}
    served = {run.names[number] for number in run.requests["pod"].tolist()}
    assert served == {"a-v1-0.default", "a-v1-1.default", "a-v1-2.default", "a-v2-0.default"}


def test_pods_that_go_end_what_they_began() -> None:
    run = mesh({"at": "1s", "scale": {"workload": "a-v1", "replicas": 0}}).run(1)
    assert set(statuses(run)) == {"200"}
    late = run.requests[run.requests["start_ns"] > 1_150 * MS]
    assert {run.names[number] for number in late["pod"].tolist()} == {"a-v2-0.default"}


def test_without_istiod_proxies_go_on_with_what_they_have() -> None:
    events = (
        apply("500ms", DESTINATION_RULE),
        {"at": "1s", "restart_istiod": {"down": "2s"}},
        apply("1500ms", VIRTUAL_SERVICE),
    )
    run = mesh(*events).run(1)
    assert set(statuses(run)) == {"200"}
    first, second = run.pushes
    assert first.begun_ns == 605 * MS
    assert second.changes == ("istiod started", "VirtualService a.default applied")
    assert second.built_ns == 3_000 * MS
    early = run.requests[run.requests["start_ns"] < 3_000 * MS]
    assert {run.names[pod] for pod in early["pod"].tolist()} == {"a-v1-0.default", "a-v2-0.default"}
    assert second.done_ns > 3_000 * MS
    last = run.requests[run.requests["start_ns"] > second.done_ns]
    assert {run.names[number] for number in last["pod"].tolist()} == {"a-v2-0.default"}


def test_a_proxy_that_is_cut_off_learns_of_a_change_when_it_is_back() -> None:
    events = (
        {"at": "1s", "disconnect": {"workload": "client", "for": "2s"}},
        apply("1500ms", VIRTUAL_SERVICE),
    )
    found = mesh(*events)
    first, _ = failed_between(found.run(1))
    assert first > 3_000
    cut_off = found.at(2_000 * MS)
    assert "client-0.default" not in cut_off.statuses


def test_a_slow_proxy_is_stale_until_it_has_answered() -> None:
    events = (
        {"at": "1s", "slow_proxy": {"workload": "client-0", "by": "1s", "for": "3s"}},
        apply("1s", DESTINATION_RULE),
    )
    found = mesh(*events)
    stale = found.at(1_500 * MS)
    assert stale.statuses["client-0.default"]["clusters"].sync is Sync.STALE
    assert stale.statuses["a-v1-0.default"]["clusters"].sync is Sync.SYNCED
    later = found.at(4_000 * MS)
    assert later.statuses["client-0.default"]["clusters"].sync is Sync.SYNCED


def test_what_a_proxy_refuses_is_told_and_the_rest_goes_on() -> None:
    patch = {
        "applyTo": "CLUSTER",
        "match": {
            "context": "SIDECAR_OUTBOUND",
            "cluster": {"service": "a.default.svc.cluster.local"},
        },
        "patch": {"operation": "MERGE", "value": {"connect_timeout": "0s"}},
    }
    bad = json.loads(istio("EnvoyFilter", "bad", {"configPatches": [patch]}))
    bad["apiVersion"] = "networking.istio.io/v1alpha3"
    run = mesh(apply("1s", bad)).run(1)
    (push,) = run.pushes
    assert push.refused == 3
    refused = [each for each in run.deliveries if each.error]
    assert {each.kind for each in refused} == {"clusters"}
    assert set(statuses(run)) == {"200"}


def test_the_same_seed_gives_the_same_course() -> None:
    events = (
        apply("1s", DESTINATION_RULE),
        {"at": "1200ms", "restart_istiod": {"down": "1s"}},
        {"at": "2s", "scale": {"workload": "a-v2", "replicas": 2}},
    )
    latency = {"latency": {"p50": "250us", "p99": "3ms"}}
    first, second = (mesh(*events, network=latency).run(3) for _ in range(2))
    assert first.to_json() == second.to_json()
    assert first.deliveries == second.deliveries
    assert mesh(*events, network=latency).run(4).deliveries != first.deliveries


@pytest.mark.parametrize(
    ("event", "code"),
    [
        pytest.param({"delete": ["VirtualService/b"]}, "scenario-object", id="unknown-object"),
        pytest.param(
            {"scale": {"workload": "b", "replicas": 1}}, "scenario-object", id="unknown-workload"
        ),
        pytest.param(
            {"disconnect": {"workload": "b", "for": "1s"}}, "scenario-workload", id="no-proxy"
        ),
        pytest.param({"apply": ["no.yaml"]}, "missing-file", id="no-file"),
        pytest.param(
            {"apply": [{**VIRTUAL_SERVICE, "spec": {"hosts": []}}]}, "IST0106", id="refused-object"
        ),
        pytest.param(
            {"edit": {"object": "Service/a", "merge": {"spec": {"ports": 1}}}},
            "wrong-type",
            id="edit-that-breaks-an-object",
        ),
    ],
)
def test_an_event_that_cannot_happen_is_refused(event: dict[str, Any], code: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        mesh({"at": "1s", **event})
    assert code in {each.code for each in refused.value.diagnostics}


def test_a_scenario_with_events_travels_to_another_process() -> None:
    found = mesh(apply("1s", DESTINATION_RULE))
    again = pickle.loads(pickle.dumps(found))
    assert again.digest == found.digest
    assert again.run(1).to_json() == found.run(1).to_json()
