"""Weights of hosts, localities and priorities against the real Envoy: the same shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from simulator.envoy.balance import Context
from simulator.envoy.proxy import Proxy
from tests.simulator.envoy.playing import cluster, proxy
from tests.simulator.envoy.real import Backend, http_listener, running

pytestmark = pytest.mark.envoy

ASKED = 240
LOCALITIES: dict[str, Any] = {"common_lb_config": {"locality_weighted_lb_config": {}}}
SLOW = {"slow_start_config": {"slow_start_window": "600s"}}


@dataclass(frozen=True)
class Case:
    id: str
    groups: tuple[tuple[int, str], ...]
    """Of each locality its weight (0: none) and its hosts' weights, `x` for unhealthy ones."""
    more: dict[str, Any] = field(default_factory=dict)
    tolerance: int = 2
    """How many requests a host may have more or less; turns begin anywhere."""


CASES = [
    Case("in-turn", ((0, "1 1 1 1"),)),
    Case("in-turn-by-weight", ((0, "1 2 3"),)),
    Case("least-request-by-weight", ((0, "1 2 3"),), {"lb_policy": "LEAST_REQUEST"}),
    Case(
        "bias-does-not-matter-while-nothing-is-under-way",
        ((0, "1 2 3"),),
        {
            "lb_policy": "LEAST_REQUEST",
            "least_request_lb_config": {"active_request_bias": {
                "default_value": 2.0, "runtime_key": "x"}},
        },
    ),
    Case("weights-that-are-multiples", ((0, "2 4 6"),)),
    Case("one-heavy-host", ((0, "1 100 1"),)),
    Case("an-unhealthy-host-has-no-turn", ((0, "1 2 3x 3"),)),
    Case("localities", ((1, "1 1"), (3, "1 1")), LOCALITIES),
    Case("localities-with-weights-inside", ((1, "1 3"), (3, "1 1")), LOCALITIES),
    Case("a-locality-without-weight", ((0, "1 1"), (3, "1 1")), LOCALITIES),
    Case("a-locality-that-half-fails", ((1, "1 1x"), (1, "1 1")), LOCALITIES),
    Case("a-locality-that-fails", ((1, "1x 1x"), (1, "1 1 1 1")), LOCALITIES),
    Case("localities-that-count-for-nothing", ((1, "1 1"), (3, "1 1"))),
    Case("all-hosts-are-new", ((0, "1 1 1"),), {"round_robin_lb_config": SLOW}),
    Case("all-weighted-hosts-are-new", ((0, "1 2 3"),), {"round_robin_lb_config": SLOW}),
]  # fmt: skip


def clusters(ports: list[int]) -> list[dict[str, Any]]:
    found = []
    for case in CASES:
        left = iter(ports)
        groups = []
        for at, (weight, hosts) in enumerate(case.groups):
            one = cluster(case.id, *(next(left) for _ in hosts.split()))
            endpoints = one["load_assignment"]["endpoints"][0]["lb_endpoints"]
            for endpoint, host in zip(endpoints, hosts.split(), strict=True):
                endpoint["load_balancing_weight"] = int(host.rstrip("x"))
                endpoint["health_status"] = "UNHEALTHY" if host.endswith("x") else "HEALTHY"
            group: dict[str, Any] = {"locality": {"zone": f"z{at}"}, "lb_endpoints": endpoints}
            groups.append({**group, **({"load_balancing_weight": weight} if weight else {})})
        assignment = {"cluster_name": case.id, "endpoints": groups}
        found.append({**cluster(case.id, **case.more), "load_assignment": assignment})
    return found


def listener() -> dict[str, Any]:
    routes = [
        {"match": {"prefix": f"/{case.id}/"}, "route": {"cluster": case.id}} for case in CASES
    ]
    table = {"name": "r", "virtual_hosts": [{"name": "h", "domains": ["*"], "routes": routes}]}
    return http_listener("main", table, [])


@dataclass
class World:
    seen: dict[str, Counter[str]]
    proxy: Proxy


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Backend(6) as backend:
        configured = clusters(backend.ports)
        with running([listener()], configured, tmp_path_factory.mktemp("envoy")) as envoy:
            names = [f"{case.id}:{at}" for case in CASES for at in range(ASKED)]
            for name in names:
                case, at = name.split(":")
                envoy.ask(name, f"/{case}/{at}", {})
            logs = envoy.logged(names)
        seen: dict[str, Counter[str]] = {case.id: Counter() for case in CASES}
        for name in names:
            seen[name.split(":")[0]][logs[name]["host"]] += 1
        yield World(seen, proxy(listener(), configured))


class Drawn:
    """Draws of a seeded generator."""

    def __init__(self) -> None:
        self._random = Random(1)
        self.stream = 0

    def next(self, _: str, /) -> int:
        return self._random.getrandbits(64)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_hosts_get_the_same_shares(world: World, case: Case) -> None:
    upstream, draws = world.proxy.upstreams[case.id], Drawn()
    found: Counter[str] = Counter()
    for at in range(ASKED):
        host = upstream.choose(draws, Context(now=at * 1_000_000))
        assert host is not None
        found[host.endpoint.key] += 1

    seen = world.seen[case.id]
    assert all(abs(found[key] - seen[key]) <= case.tolerance for key in {*found, *seen}), (
        found,
        seen,
    )
