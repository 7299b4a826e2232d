"""Zone-aware routing against the real Envoy: who stays in the zone, and in what shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path
from random import Random
from typing import Any

import pytest

from simulator.envoy.balance import Context
from simulator.envoy.bootstrap import load
from simulator.envoy.proxy import Proxy
from tests.simulator.envoy.playing import cluster
from tests.simulator.envoy.real import Backend, http_listener, running

pytestmark = pytest.mark.envoy

LB = "type.googleapis.com/envoy.extensions.load_balancing_policies"
ASKED = 240
PORTS = 9


@dataclass(frozen=True)
class Case:
    id: str
    hosts: str
    """The zones of the endpoints, upper case where they are unhealthy."""
    peers: str = "abc"
    """The zones of the proxies; this one is in zone a."""
    zones: dict[str, Any] | None = None
    policy: str = ""
    more: dict[str, Any] = field(default_factory=dict)


CASES = [
    Case("enough-at-home", "aabbcc"),
    Case("more-than-enough-at-home", "aaaabc"),
    Case("too-little-at-home", "abbbcc"),
    Case("nothing-at-home", "bbbccc"),
    Case("too-few-hosts", "aabbc"),
    Case("few-hosts-are-enough", "aabbc", zones={"min_cluster_size": 5}),
    Case("one-zone-of-hosts", "aaaaaa"),
    Case("one-zone-of-proxies", "aabbcc", peers="aaa"),
    Case("none-of-the-proxies-is-here", "aabbcc", peers="bbc"),
    Case("many-proxies-here", "aabbcc", peers="aaab"),
    Case("many-proxies-elsewhere", "aabbcc", peers="abbb"),
    Case("a-zone-without-proxies", "aabbcc", peers="aabb"),
    Case("unhealthy-at-home", "aAAbbbccc"),
    Case("none-healthy-at-home", "AAAbbbccc"),
    Case("half-the-requests", "aaabbb", peers="ab", zones={"routing_enabled": {"value": 50}}),
    Case("unhealthy-proxies-panic", "aaabbb", peers="aBBB"),
    Case("unhealthy-proxies-fail", "aaabbb", peers="aBBB", zones={"fail_traffic_on_panic": True}),
    Case("panic-fails", "aAAbBB", zones={"fail_traffic_on_panic": True, "min_cluster_size": 1}),
    Case("panic-is-for-all", "aAAbBB", zones={"min_cluster_size": 1}),
    Case("least-request", "aabbcc", policy="LEAST_REQUEST"),
    Case("random", "abbbcc", policy="RANDOM"),
    Case("hashes-know-no-zones", "aabbcc", policy="RING_HASH"),
    Case("forced", "abbbbbb", peers="aaab", zones={"force_local_zone": {}}),
    Case("forced-with-one-zone-of-proxies", "abbbbbb", peers="a", zones={"force_local_zone": {}}),
    Case("not-enough-to-be-forced", "abbbbbb", zones={"force_local_zone": {"min_size": 2}}),
    Case("by-weight", "aabbcc", peers="aab", zones={"locality_basis": "HEALTHY_HOSTS_WEIGHT"}),
]


def grouped(one: dict[str, Any], zones: str) -> dict[str, Any]:
    endpoints = one["load_assignment"]["endpoints"][0]["lb_endpoints"]
    groups: dict[str, list[Any]] = {}
    for at, (endpoint, zone) in enumerate(zip(endpoints, zones, strict=True)):
        endpoint["load_balancing_weight"] = 3 if at == 0 else 1
        endpoint["health_status"] = "UNHEALTHY" if zone.isupper() else "HEALTHY"
        groups.setdefault(zone.lower(), []).append(endpoint)
    one["load_assignment"]["endpoints"] = [
        {"locality": {"region": "r", "zone": zone}, "lb_endpoints": groups[zone]}
        for zone in sorted(groups)
    ]
    return one


def clustered(case: Case, ports: list[int]) -> dict[str, Any]:
    one = grouped(cluster("pages", *ports[: len(case.hosts)]), case.hosts)
    zones = case.zones or {}
    if {"force_local_zone", "locality_basis"} & set(zones):
        # The older fields do not know of these.
        own = {
            "@type": f"{LB}.round_robin.v3.RoundRobin",
            "locality_lb_config": {"zone_aware_lb_config": zones},
        }
        policy = {"typed_extension_config": {"name": "x", "typed_config": own}}
        return {**one, "load_balancing_policy": {"policies": [policy]}}
    common = {"common_lb_config": {"zone_aware_lb_config": zones}} if case.zones is not None else {}
    return {**one, **common, "lb_policy": case.policy or "ROUND_ROBIN"}


def bootstrap(case: Case, ports: list[int]) -> dict[str, Any]:
    peers = grouped(cluster("proxies", *range(1, len(case.peers) + 1)), case.peers)
    route = {"match": {"prefix": "/"}, "route": {"cluster": "pages"}}
    table = {"name": "r", "virtual_hosts": [{"name": "h", "domains": ["*"], "routes": [route]}]}
    return {
        "node": {"id": "x", "cluster": "x", "locality": {"region": "r", "zone": "a"}},
        "cluster_manager": {"local_cluster_name": "proxies"},
        "static_resources": {
            "listeners": [http_listener("main", table, [])],
            "clusters": [clustered(case, ports), peers],
        },
    }


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    with Backend(PORTS) as one:
        yield one


def asked(case: Case, backend: Backend, folder: Path) -> Counter[str | None]:
    whole = bootstrap(case, backend.ports)
    static = whole.pop("static_resources")
    with running(static["listeners"], static["clusters"], folder, more=whole) as envoy:
        names = [f"{case.id}-{at}" for at in range(ASKED)]
        for name in names:
            envoy.ask(name, "/", {})
        logs = envoy.logged(names)
    return Counter(logs[name]["host"] for name in names)


class Drawn:
    """Draws of a seeded generator."""

    def __init__(self) -> None:
        self._random = Random(1)
        self.stream = 0

    def next(self, _: str, /) -> int:
        return self._random.getrandbits(64)


def chosen(case: Case, ports: list[int]) -> Counter[str | None]:
    proxy = Proxy(load(bootstrap(case, ports)).config, "test.default")
    draws = Drawn()
    hosts = [proxy.upstreams["pages"].choose(draws, Context()) for _ in range(20 * ASKED)]
    return Counter(host.endpoint.key if host else None for host in hosts)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_zones_get_the_same_shares(case: Case, backend: Backend, tmp_path: Path) -> None:
    seen = asked(case, backend, tmp_path)
    found = chosen(case, backend.ports)

    for host in {*seen, *found}:
        share, want = seen[host] / ASKED, found[host] / (20 * ASKED)
        # A share of 0 or 1 is no matter of chance.
        spread = sqrt(want * (1 - want) / ASKED)
        assert abs(share - want) <= 5 * spread + 1e-9, (host, share, want)
