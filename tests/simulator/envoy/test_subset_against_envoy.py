"""Subsets of a cluster against the real Envoy: metadata leads to the same hosts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from simulator.envoy.draws import Listed
from simulator.envoy.request import Request
from tests.simulator.envoy.playing import cluster, play, proxy, scripted, streamed
from tests.simulator.envoy.real import Backend, http_listener, running

pytestmark = pytest.mark.envoy

ASKED = 12
HOSTS: list[dict[str, Any]] = [
    {"stage": "prod", "version": "v1", "weight": 1},
    {"stage": "prod", "version": "v2", "weight": 2, "flags": ["a", "b"]},
    {"stage": "dev", "version": "v2", "flags": ["b", "c"]},
    {"stage": "dev", "version": "v3", "weight": True},
]
BY_VERSION = [{"keys": ["version"]}]
BY_BOTH = [{"keys": ["version", "stage"]}]
MANY = [
    {"keys": ["stage", "version"], "fallback_policy": "KEYS_SUBSET",
     "fallback_keys_subset": ["stage"]},
    {"keys": ["stage"], "fallback_policy": "ANY_ENDPOINT"},
    {"keys": ["version"], "fallback_policy": "DEFAULT_SUBSET"},
    {"keys": ["flags"], "fallback_policy": "NO_FALLBACK"},
]  # fmt: skip
PROD = {"stage": "prod"}


@dataclass(frozen=True)
class Case:
    id: str
    subsets: dict[str, Any]
    wanted: dict[str, Any] | None
    weighted: dict[str, Any] | None = None
    """What the route's cluster asks for beyond the route."""
    unhealthy: tuple[int, ...] = ()
    priorities: tuple[int, ...] = (0, 0, 0, 0)
    more: Mapping[str, Any] = field(default_factory=dict)


def subsets(selectors: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"subset_selectors": selectors, **more}


ANY = {"fallback_policy": "ANY_ENDPOINT"}
DEFAULT = {"fallback_policy": "DEFAULT_SUBSET", "default_subset": PROD}
LIST = {"metadata_fallback_policy": "FALLBACK_LIST"}
NO_PANIC = {"common_lb_config": {"healthy_panic_threshold": {"value": 0}}}
V2: dict[str, Any] = {"version": "v2"}
V9: dict[str, Any] = {"version": "v9"}

CASES = [
    Case("the-subset", subsets(BY_VERSION), V2),
    Case("no-such-value", subsets(BY_VERSION), V9),
    Case("nothing-asked-for", subsets(BY_VERSION), None),
    Case("a-key-too-many", subsets(BY_VERSION), {**V2, **PROD}),
    Case("a-key-too-few", subsets(BY_BOTH), V2),
    Case("both-keys", subsets(BY_BOTH), {**V2, **PROD}),
    Case("any-for-a-missing-one", subsets(BY_VERSION, **ANY), V9),
    Case("any-for-nothing", subsets(BY_VERSION, **ANY), None),
    Case("default-for-a-missing-one", subsets(BY_VERSION, **DEFAULT), V9),
    Case("default-for-nothing", subsets(BY_VERSION, **DEFAULT), None),
    Case("an-empty-default-is-all", subsets(BY_VERSION, fallback_policy="DEFAULT_SUBSET"), V9),
    Case(
        "a-default-that-nobody-has",
        subsets(BY_VERSION, fallback_policy="DEFAULT_SUBSET", default_subset={"stage": "x"}),
        V9,
    ),
    Case(
        "any-in-the-end",
        subsets(
            BY_VERSION,
            fallback_policy="DEFAULT_SUBSET",
            default_subset={"stage": "x"},
            panic_mode_any=True,
        ),
        V9,
    ),
    Case("panic-any-needs-a-fallback", subsets(BY_VERSION, panic_mode_any=True), V9),
    Case("fewer-keys", subsets(MANY), {"stage": "dev", "version": "v1"}),
    Case("fewer-keys-find-nothing-either", subsets(MANY), {"stage": "x", "version": "v1"}),
    Case("own-any", subsets(MANY), {"stage": "x"}),
    Case("own-default", subsets(MANY, default_subset=PROD), V9),
    Case("own-nothing", subsets(MANY, **ANY), {"flags": "zz"}),
    Case("unknown-keys-take-the-clusters", subsets(MANY, **ANY), {"colour": "red"}),
    Case("own-fallback-after-a-longer-one", subsets([MANY[0], MANY[1]], **DEFAULT), {"stage": "x"}),
    Case("a-list-is-one-value", subsets(MANY), {"flags": ["a", "b"]}),
    Case("a-list-is-any-of-its-values", subsets(MANY, list_as_any=True), {"flags": "b"}),
    Case("and-not-itself", subsets(MANY, list_as_any=True), {"flags": ["a", "b"]}),
    Case(
        "a-list-in-the-default",
        subsets(
            BY_VERSION,
            fallback_policy="DEFAULT_SUBSET",
            default_subset={"flags": "c"},
            list_as_any=True,
        ),
        V9,
    ),
    Case("one-is-not-true", subsets([{"keys": ["weight"]}]), {"weight": 1}),
    Case("true-is-not-one", subsets([{"keys": ["weight"]}]), {"weight": True}),
    Case("a-text-is-not-a-number", subsets([{"keys": ["weight"]}]), {"weight": "1"}),
    Case("one-host", subsets([{"keys": ["version"], "single_host_per_subset": True}]), V2),
    Case(
        "one-host-whatever-its-health",
        subsets([{"keys": ["version"], "single_host_per_subset": True}]),
        V2,
        unhealthy=(1,),
    ),
    Case("panic-inside", subsets(BY_VERSION), V2, unhealthy=(1, 2)),
    Case("no-panic-inside", subsets(BY_VERSION, **ANY), V2, unhealthy=(1, 2), more=NO_PANIC),
    Case("half-is-no-panic", subsets(BY_VERSION), V2, unhealthy=(1,)),
    Case("priorities-inside", subsets(BY_VERSION), V2, priorities=(0, 1, 1, 0)),
    Case("the-first-priority-inside", subsets(BY_VERSION), V2, priorities=(0, 1, 0, 0)),
    Case("weighted-clusters-add", subsets(BY_BOTH), V2, weighted=PROD),
    Case("weighted-clusters-count-more", subsets(BY_VERSION), V9, weighted=V2),
    Case(
        "a-list-of-others",
        subsets(BY_VERSION, **LIST),
        {"fallback_list": [V9, V2, {"version": "v1"}]},
    ),
    Case("with-what-all-share", subsets(BY_BOTH, **LIST), {**PROD, "fallback_list": [V9, V2]}),
    Case("none-of-the-list", subsets(BY_VERSION, **LIST), {"fallback_list": [V9]}),
    Case("an-empty-list", subsets(BY_VERSION, **LIST), {**V2, "fallback_list": []}),
    Case("a-list-that-is-not-asked-for", subsets(BY_VERSION, **ANY), {"fallback_list": [V2]}),
    Case("no-selectors-no-subsets", subsets([]), V9),
]


def clusters(ports: list[int]) -> list[dict[str, Any]]:
    found = []
    for case in CASES:
        one = cluster(case.id, *ports, lb_subset_config=case.subsets, **case.more)
        endpoints = one["load_assignment"]["endpoints"][0]["lb_endpoints"]
        groups: dict[int, list[Any]] = {}
        for at, (endpoint, own) in enumerate(zip(endpoints, HOSTS, strict=True)):
            endpoint["metadata"] = {"filter_metadata": {"envoy.lb": own}}
            if at in case.unhealthy:
                endpoint["health_status"] = "UNHEALTHY"
            groups.setdefault(case.priorities[at], []).append(endpoint)
        one["load_assignment"]["endpoints"] = [
            {"priority": priority, "lb_endpoints": groups[priority]} for priority in sorted(groups)
        ]
        found.append(one)
    return found


def route(case: Case) -> dict[str, Any]:
    def match(wanted: dict[str, Any] | None) -> dict[str, Any]:
        if wanted is None:
            return {}
        return {"metadata_match": {"filter_metadata": {"envoy.lb": wanted}}}

    action: dict[str, Any] = {"cluster": case.id, **match(case.wanted)}
    if case.weighted is not None:
        entry = {"name": case.id, "weight": 1, **match(case.weighted)}
        action = {"weighted_clusters": {"clusters": [entry]}, **match(case.wanted)}
    return {"match": {"prefix": f"/{case.id}/"}, "route": action}


def listener() -> dict[str, Any]:
    routes = [route(case) for case in CASES]
    table = {"name": "r", "virtual_hosts": [{"name": "h", "domains": ["*"], "routes": routes}]}
    return http_listener("main", table, [])


@dataclass
class World:
    seen: dict[str, set[tuple[str | None, str]]]
    clusters: list[dict[str, Any]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Backend(len(HOSTS)) as backend:
        configured = clusters(backend.ports)
        with running([listener()], configured, tmp_path_factory.mktemp("envoy")) as envoy:
            names = [f"{case.id}-{at}" for case in CASES for at in range(ASKED)]
            for case in CASES:
                for at in range(ASKED):
                    envoy.ask(f"{case.id}-{at}", f"/{case.id}/{at}", {})
            logs = envoy.logged(names)
        seen = {
            case.id: {
                (logs[f"{case.id}-{at}"]["host"], logs[f"{case.id}-{at}"]["flags"])
                for at in range(ASKED)
            }
            for case in CASES
        }
        yield World(seen, configured)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_metadata_leads_to_the_same_hosts(world: World, case: Case) -> None:
    one = proxy(listener(), world.clusters)
    found = set()
    for at in range(ASKED):
        request = Request(method="GET", authority="test", path=f"/{case.id}/{at}")
        stream = streamed(one, request, draws=Listed())
        play(stream, scripted("200"))
        record = stream.record()
        found.add((record.endpoint, ",".join(record.flags) or "-"))

    assert found == world.seen[case.id]
