"""Consistent hashing against the real Envoy: the same hosts for the same requests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from simulator.envoy.request import Request
from tests.simulator.envoy.playing import cluster, play, proxy, scripted, streamed
from tests.simulator.envoy.real import Answer, Backend, http_listener, running

pytestmark = pytest.mark.envoy

HEADER = {"header": {"header_name": "x-user"}}
COOKIE = {"cookie": {"name": "session"}}
QUERY = {"query_parameter": {"name": "q"}}
MADE = {"cookie": {"name": "made", "ttl": "10s", "path": "/p", "attributes": [{"name": "Secure"}]}}
REWRITTEN = {
    "header": {
        "header_name": "x-user",
        "regex_rewrite": {"pattern": {"regex": "^(.).*$"}, "substitution": "\\1"},
    }
}

CLUSTERS: dict[str, dict[str, Any]] = {
    "ring": {"lb_policy": "RING_HASH"},
    "tiny": {"lb_policy": "RING_HASH", "ring_hash_lb_config": {"maximum_ring_size": 7,
             "minimum_ring_size": 5}},
    "murmur": {"lb_policy": "RING_HASH", "ring_hash_lb_config": {"hash_function": "MURMUR_HASH_2"}},
    "maglev": {"lb_policy": "MAGLEV"},
    "small": {"lb_policy": "MAGLEV", "maglev_lb_config": {"table_size": 11}},
    "bounded": {"lb_policy": "MAGLEV", "common_lb_config": {
        "consistent_hashing_lb_config": {"hash_balance_factor": 100}}},
}  # fmt: skip
POLICIES: dict[str, list[dict[str, Any]]] = {
    "header": [HEADER],
    "rewritten": [REWRITTEN],
    "cookie": [COOKIE],
    "query": [QUERY],
    "source": [{"connection_properties": {"source_ip": True}}],
    "both": [HEADER, QUERY],
    "twice": [HEADER, HEADER],
    "terminal": [{**HEADER, "terminal": True}, QUERY],
    "later": [{"cookie": {"name": "absent"}}, HEADER],
}


@dataclass(frozen=True)
class Case:
    id: str
    cluster: str
    policy: str
    path: str = ""
    headers: dict[str, str] = field(default_factory=dict)


USERS = ["", "a", "jason", "an-identity-of-more-than-32-bytes-in-one-header", "ü"]
CASES = [
    *(
        Case(f"{name}-{i}", name, "header", headers={"x-user": user})
        for name in CLUSTERS
        for i, user in enumerate([*USERS, *(f"user-{n}" for n in range(20))])
    ),
    *(
        Case(f"{policy}-{i}", "ring", policy, f"?q={i}&q=9", {"x-user": user, "cookie": cookie})
        for policy in POLICIES
        for i, (user, cookie) in enumerate(
            [
                ("a", "session=1"),
                ("b", 'x=y; session="2"; session=3'),
                ("ab", "session; other=1; session=9"),
            ]
        )
    ),
]


def listener() -> dict[str, Any]:
    routes = [
        {
            "match": {"prefix": f"/{name}/{policy}/"},
            "route": {"cluster": name, "hash_policy": POLICIES[policy]},
        }
        for name in CLUSTERS
        for policy in POLICIES
    ]
    made = {"cluster": "ring", "hash_policy": [MADE]}
    routes.append({"match": {"prefix": "/made"}, "route": made})
    table = {"name": "r", "virtual_hosts": [{"name": "h", "domains": ["*"], "routes": routes}]}
    return http_listener("main", table, [])


def clusters(ports: list[int]) -> list[dict[str, Any]]:
    out = [cluster(name, *ports, **more) for name, more in CLUSTERS.items()]
    for each in out:
        for at, host in enumerate(each["load_assignment"]["endpoints"][0]["lb_endpoints"]):
            host["load_balancing_weight"] = 1 + at % 3
    return out


@dataclass
class World:
    answers: dict[str, Answer]
    clusters: list[dict[str, Any]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Backend(5) as backend:
        configured = clusters(backend.ports)
        with running([listener()], configured, tmp_path_factory.mktemp("envoy")) as envoy:
            answers = {}
            for case in CASES:
                headers = {k: v.encode("utf-8").decode("latin-1") for k, v in case.headers.items()}
                path = f"/{case.cluster}/{case.policy}/{case.path}"
                answers[case.id] = envoy.ask(case.id, path, headers)
            answers["made"] = envoy.ask("made", "/made", {})
            for name, line in envoy.logged(list(answers)).items():
                answers[name].log = line
        yield World(answers, configured)


def chosen(world: World, path: str, headers: dict[str, str]) -> tuple[str | None, dict[str, str]]:
    request = Request(method="GET", authority="test", path=path, headers=tuple(headers.items()))
    stream = streamed(proxy(listener(), world.clusters), request)
    played = play(stream, scripted("200"))
    assert played.finish.response is not None
    return stream.record().endpoint, dict(played.finish.response.headers)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_the_same_host_is_found(world: World, case: Case) -> None:
    path = f"/{case.cluster}/{case.policy}/{case.path}"

    endpoint, _ = chosen(world, path, case.headers)

    assert endpoint == world.answers[case.id].log["host"]


def test_a_made_cookie_leads_back(world: World) -> None:
    _, headers = chosen(world, "/made", {})
    real = world.answers["made"]
    cookie = real.headers["set-cookie"].partition(";")[0]

    endpoint, _ = chosen(world, "/made", {"cookie": cookie})

    assert endpoint == real.log["host"]
    # Its value tells the client's port, which is another each time.
    assert headers["set-cookie"].partition(";")[2] == real.headers["set-cookie"].partition(";")[2]
    assert len(headers["set-cookie"]) == len(real.headers["set-cookie"])
