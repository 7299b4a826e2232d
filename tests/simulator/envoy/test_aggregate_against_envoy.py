"""Clusters made of others against the real Envoy: whose hosts serve, and in what shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import sqrt
from random import Random
from typing import Any

import pytest

from simulator.envoy.request import Request
from tests.simulator.envoy.playing import cluster, play, proxy, scripted, streamed
from tests.simulator.envoy.real import Backend, http_listener, running

pytestmark = pytest.mark.envoy

ASKED = 160
KIND = "type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig"
NO_PANIC = {"common_lb_config": {"healthy_panic_threshold": {"value": 0}}}


@dataclass(frozen=True)
class Case:
    id: str
    members: dict[str, str]
    """Each cluster's hosts: a priority, and `x` for one that is unhealthy, `d` for degraded."""
    more: dict[str, Any] = field(default_factory=dict)
    """Of the whole."""
    inner: dict[str, Any] = field(default_factory=dict)
    """Of each member."""
    unknown: tuple[str, ...] = ()
    """Members that do not exist."""


CASES = [
    Case("the-first-is-well", {"a": "0 0", "b": "0"}),
    Case("the-first-is-empty", {"a": "", "b": "0 0"}),
    Case("the-first-is-out", {"a": "0x 0x", "b": "0 0"}),
    Case("half-of-the-first", {"a": "0 0x", "b": "0"}),
    Case("a-third-of-the-first", {"a": "0 0x 0x", "b": "0"}),
    Case("priorities-inside-come-first", {"a": "0x 1", "b": "0"}),
    Case("priorities-in-line", {"a": "0x 1x", "b": "0 0x", "c": "0"}),
    Case("nobody-is-well", {"a": "0x 0x", "b": "0x"}),
    Case("nobody-is-well-and-no-panic", {"a": "0x 0x", "b": "0x"}, NO_PANIC, NO_PANIC),
    Case("panic-is-the-members-own", {"a": "0x 0x", "b": "0x"}, NO_PANIC),
    Case("the-whole-panics-the-members-do-not", {"a": "0x 0x", "b": "0x"}, {}, NO_PANIC),
    Case("degraded-hosts-come-last", {"a": "0d 0d", "b": "0 0"}),
    Case("degraded-hosts-of-the-first", {"a": "0d 0d", "b": "0x"}),
    Case("nobody-at-all", {"a": "", "b": ""}),
    Case("unknown-clusters-are-passed-over", {"a": "0"}, unknown=("nobody",)),
    Case("by-hash", {"a": "0 0x 0x", "b": "0"}, {}, {"lb_policy": "RING_HASH"}),
]
NESTED, CIRCLE = "nested", "circle"
STATES = {"x": "UNHEALTHY", "d": "DEGRADED"}


def whole(name: str, members: list[str], more: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "connect_timeout": "1s",
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": {
            "name": "envoy.clusters.aggregate",
            "typed_config": {"@type": KIND, "clusters": members},
        },
        **more,
    }


def clusters(ports: list[int]) -> list[dict[str, Any]]:
    found = []
    for case in CASES:
        left = iter(ports)
        names = [f"{case.id}-{name}" for name in case.members]
        for name, hosts in zip(names, case.members.values(), strict=True):
            one = cluster(name, *(next(left) for _ in hosts.split()), **case.inner)
            endpoints = one["load_assignment"]["endpoints"][0]["lb_endpoints"]
            groups: dict[int, list[Any]] = {}
            for endpoint, host in zip(endpoints, hosts.split(), strict=True):
                endpoint["health_status"] = STATES.get(host[1:], "HEALTHY")
                groups.setdefault(int(host[0]), []).append(endpoint)
            one["load_assignment"]["endpoints"] = [
                {"priority": at, "lb_endpoints": groups[at]} for at in sorted(groups)
            ]
            found.append(one)
        found.append(whole(case.id, [*case.unknown, *names], case.more))
    # A whole that is made of wholes, and one that is made of itself.
    found.append(whole(NESTED, [CASES[0].id], {}))
    found.append(whole(CIRCLE, [CIRCLE], {}))
    return found


NAMES = [*(case.id for case in CASES), NESTED, CIRCLE]


def listener() -> dict[str, Any]:
    routes = [{"match": {"prefix": f"/{name}/"}, "route": {"cluster": name}} for name in NAMES]
    table = {"name": "r", "virtual_hosts": [{"name": "h", "domains": ["*"], "routes": routes}]}
    return http_listener("main", table, [])


@dataclass
class World:
    seen: dict[str, Counter[tuple[str, str | None, str]]]
    clusters: list[dict[str, Any]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Backend(5) as backend:
        configured = clusters(backend.ports)
        with running([listener()], configured, tmp_path_factory.mktemp("envoy")) as envoy:
            asked = [f"{name}:{at}" for name in NAMES for at in range(ASKED)]
            for one in asked:
                name, at = one.split(":")
                envoy.ask(one, f"/{name}/{at}", {})
            logs = envoy.logged(asked)
        seen: dict[str, Counter[tuple[str, str | None, str]]] = {name: Counter() for name in NAMES}
        for one in asked:
            log = logs[one]
            seen[one.split(":")[0]][log["cluster"], log["host"], log["flags"]] += 1
        yield World(seen, configured)


class Drawn:
    """Draws of a seeded generator."""

    def __init__(self) -> None:
        self._random = Random(1)
        self.stream = 0

    def next(self, _: str, /) -> int:
        return self._random.getrandbits(64)


@pytest.mark.parametrize("name", NAMES)
def test_hosts_get_the_same_shares(world: World, name: str) -> None:
    one, draws = proxy(listener(), world.clusters), Drawn()
    found: Counter[tuple[str | None, str | None, str]] = Counter()
    for at in range(5 * ASKED):
        request = Request(method="GET", authority="test", path=f"/{name}/{at}")
        stream = streamed(one, request, draws=draws)
        play(stream, scripted("200"))
        record = stream.record()
        found[record.cluster, record.endpoint, ",".join(record.flags) or "-"] += 1

    seen = world.seen[name]
    assert set(found) == set(seen)
    for kind in seen:
        share, want = seen[kind] / ASKED, found[kind] / (5 * ASKED)
        assert abs(share - want) <= 6 * sqrt(want * (1 - want) / ASKED) + 1e-9, (kind, share, want)
