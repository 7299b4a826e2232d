"""Active health checks against the real Envoy: the same answers, the same hosts left out."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from simulator.envoy.admin import View, page
from simulator.envoy.commands import Response
from simulator.envoy.compile import compile_cluster
from simulator.envoy.draws import Listed
from simulator.envoy.health import Finding, judge
from simulator.envoy.proxy import Proxy
from simulator.envoy.request import Request
from simulator.envoy.stats import Stats
from simulator.envoy.upstream import Upstream
from simulator.envoy_api import Resources, parse
from tests.simulator.envoy.playing import cluster, play, proxy, scripted, streamed
from tests.simulator.envoy.real import Answer, Backend, http_listener, running, step_headers

pytestmark = pytest.mark.envoy

_PATIENCE_S = 20.0
SINK = "type.googleapis.com/envoy.extensions.health_check.event_sinks.file.v3"
BRISK = {
    "timeout": "0.2s",
    "interval": "0.01s",
    "no_traffic_interval": "0.01s",
    "unhealthy_threshold": 3,
    "healthy_threshold": 2,
}


@dataclass(frozen=True)
class Case:
    id: str
    script: str
    http: dict[str, Any] = field(default_factory=dict)


CASES = [
    Case("a-status-fails-at-once", "200,503,200,200,200"),
    Case("the-first-success-counts-alone", "503,503,200,503,200,200"),
    Case("closed-connections-are-counted", "200,close,close,200,close,close,close,200,200"),
    Case("the-first-answer-is-none", "close,close,200,close,200"),
    Case("time-outs-are-counted", "200,hang,hang,hang,200,200"),
    Case(
        "retriable-statuses-are-counted",
        "200,429,429,200,429,429,429,200,200,503",
        {"retriable_statuses": [{"start": 400, "end": 500}]},
    ),
    Case(
        "other-statuses-may-be-expected",
        "201,200,201,404,404",
        {"expected_statuses": [{"start": 201, "end": 202}, {"start": 404, "end": 405}]},
    ),
    Case("degraded-and-back", "200,200+x-envoy-degraded:1,200+x-envoy-degraded:1,200,503,200,200"),
    Case(
        "degraded-while-out",
        "200,503,200+x-envoy-degraded:1,200,200+x-envoy-degraded:1,503,200,200",
    ),
    Case("success-between-failures-starts-anew", "200,close,close,200,close,close,200,503,200,503"),
]

PLACES: dict[str, tuple[int, int, tuple[str, ...]]] = {
    # How many of three endpoints listen, the panic threshold, what EDS would say of each.
    "one-of-three-in-panic": (1, 50, ()),
    "one-of-three-without-panic": (1, 0, ()),
    "two-of-three": (2, 50, ()),
    "none-without-panic": (0, 0, ()),
    "none-in-panic": (0, 50, ()),
    "two-drain": (3, 50, ("DRAINING", "HEALTHY", "DRAINING")),
    "two-are-unhealthy": (3, 50, ("UNHEALTHY", "HEALTHY", "UNHEALTHY")),
    "one-drains-one-fails": (2, 50, ("HEALTHY", "DRAINING", "HEALTHY")),
    "all-drain": (3, 50, ("DRAINING", "DRAINING", "DRAINING")),
}
IMMEDIATE = "fail-immediately"
STEPS = ("200", "200+x-envoy-immediate-health-check-fail:true", *("200",) * 8)


def checked(http: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**BRISK, "http_health_check": {"path": "/health", **http}, **more}


def scripts(case: Case, port: int, log: str) -> dict[str, Any]:
    added = [
        {"header": {"key": "x-case", "value": case.id}},
        {"header": {"key": "x-script", "value": case.script}},
    ]
    sink = {"@type": f"{SINK}.HealthCheckEventFileSink", "event_log_path": log}
    check = checked(
        {"request_headers_to_add": added, **case.http},
        always_log_health_check_failures=True,
        always_log_health_check_success=True,
        event_logger=[{"name": "envoy.health_check.event_sink.file", "typed_config": sink}],
    )
    return cluster(case.id, port, health_checks=[check])


def places(ports: list[int], closed: list[int]) -> list[dict[str, Any]]:
    found = []
    for name, (listening, panic, healths) in PLACES.items():
        one = cluster(
            name,
            *ports[:listening],
            *closed[listening:],
            health_checks=[{**BRISK, "unhealthy_threshold": 1, "tcp_health_check": {}}],
            common_lb_config={"healthy_panic_threshold": {"value": panic}},
        )
        endpoints = one["load_assignment"]["endpoints"][0]["lb_endpoints"]
        for endpoint, health in zip(endpoints, healths, strict=False):
            endpoint["health_status"] = health
        found.append(one)
    return found


def immediate(ports: list[int]) -> dict[str, Any]:
    slow = checked({}, interval="60s", no_traffic_interval="60s")
    common = {"update_merge_window": "0s"}
    return cluster(IMMEDIATE, *ports, health_checks=[slow], common_lb_config=common)


def listener() -> dict[str, Any]:
    routes = [
        {"match": {"prefix": f"/{name}/"}, "route": {"cluster": name}}
        for name in (*PLACES, IMMEDIATE)
    ]
    table = {"name": "r", "virtual_hosts": [{"name": "h", "domains": ["*"], "routes": routes}]}
    return http_listener("main", table, [])


@dataclass
class World:
    states: dict[str, list[tuple[bool, bool]]]
    answers: dict[str, Answer]
    clusters: list[dict[str, Any]]
    closed: list[int]
    folder: Path

    def admin(self, path: str) -> dict[str, str]:
        """Return a page of the administration interface, name by name."""
        host, port = (self.folder / "admin").read_text().rsplit(":", 1)
        client = http.client.HTTPConnection(host, int(port), timeout=_PATIENCE_S)
        client.request("GET", path)
        lines = client.getresponse().read().decode().splitlines()
        client.close()
        return {name: value.strip() for name, _, value in (each.rpartition(":") for each in lines)}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("envoy")
    with ExitStack() as stack:
        backend = stack.enter_context(Backend(3, counting=True))
        closed = [stack.enter_context(bound()).getsockname()[1] for _ in range(3)]
        logs = {case.id: folder / f"{case.id}.json" for case in CASES}
        scripted_ones = [scripts(case, backend.ports[0], str(logs[case.id])) for case in CASES]
        others = [*places(backend.ports, closed), immediate(backend.ports)]
        envoy = stack.enter_context(running([listener()], [*scripted_ones, *others], folder))
        answers: dict[str, Answer] = {}
        for name in PLACES:
            for at in range(12):
                answers[f"{name}-{at}"] = envoy.ask(f"{name}-{at}", f"/{name}/{at}", {})
        for at, step in enumerate(STEPS):
            name = f"{IMMEDIATE}-{at}"
            answers[name] = envoy.ask(name, f"/{IMMEDIATE}/{at}", {"x-script": step})
            # A health check's finding is decided by another thread than the one that sends.
            threading.Event().wait(0.03)
        for name, line in envoy.logged(list(answers)).items():
            answers[name].log = line
        states = {case.id: told(logs[case.id], len(case.script.split(","))) for case in CASES}
        yield World(states, answers, others, closed, folder)


def bound() -> socket.socket:
    """Return a socket that has a port and does not listen at it."""
    one = socket.socket()
    one.bind(("127.0.0.1", 0))
    return one


def told(log: Path, checks: int) -> list[tuple[bool, bool]]:
    """Return what an event log says of a host after each of the first checks: out? degraded?"""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        found = states(log.read_text().splitlines() if log.exists() else [])
        # A check's last event may still be to come, as long as no other check follows.
        if len(found) > checks:
            return found[:checks]
        assert time.monotonic() < deadline, f"{log.name} tells of {len(found)} checks"
        threading.Event().wait(0.02)


def states(lines: list[str]) -> list[tuple[bool, bool]]:
    found: list[tuple[bool, bool]] = []
    out, degraded = True, False
    for line in lines:
        kind = next(name for name in json.loads(line) if name.endswith(("_event", "_host")))
        if kind == "eject_unhealthy_event":
            out = True
            continue
        if kind in ("degraded_healthy_host", "no_longer_degraded_host"):
            degraded = kind == "degraded_healthy_host"
            found[-1] = (out, degraded)
            continue
        out = out and kind != "add_healthy_event"
        found.append((out, degraded))
    return found


def findings(upstream: Upstream, case: Case) -> list[Finding]:
    assert upstream.health is not None
    found = []
    for step in case.script.split(","):
        if step in ("close", "hang"):
            found.append(Finding.NETWORK if step == "close" else Finding.TIMED_OUT)
            continue
        status, headers = step_headers(step)
        response = Response(status=status, headers=tuple(headers))
        found.append(judge(upstream.health.check, response))
    return found


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_a_host_is_out_after_the_same_checks(world: World, case: Case) -> None:
    config = parse(scripts(case, 1, "log"), "envoy.config.cluster.v3.Cluster")
    upstream = Upstream(compile_cluster(config))
    assert upstream.health is not None
    (host,) = upstream.hosts.values()

    found = []
    for finding in findings(upstream, case):
        upstream.health.report(host, finding, 0, Listed())
        found.append((bool(host.failed), host.degraded))

    assert found == world.states[case.id]


def ready(world: World) -> Proxy:
    """Return a proxy whose endpoints have been checked once."""
    one = proxy(listener(), world.clusters)
    for upstream in one.upstreams.values():
        assert upstream.health is not None
        for host in upstream.hosts.values():
            gone = host.endpoint.port in world.closed
            upstream.health.report(host, Finding.NETWORK if gone else Finding.PASSED, 0, Listed())
    return one


@pytest.mark.parametrize("name", PLACES)
def test_the_same_hosts_serve(world: World, name: str) -> None:
    logs = [world.answers[f"{name}-{at}"].log for at in range(12)]
    seen = [(log["host"], log["flags"]) for log in logs]
    gone = [f"127.0.0.1:{port}" for port in world.closed]
    found: list[list[tuple[str | None, str]]] = []
    for seed in range(6):
        one = ready(world)
        found.append([])
        for at in range(12):
            request = Request(method="GET", authority="test", path=f"/{name}/{at}")
            stream = streamed(one, request, draws=Listed(values={"turn": [seed]}))
            play(stream, lambda attempt: "refuse" if attempt.endpoint.key in gone else "200")
            record = stream.record()
            found[-1].append((record.endpoint, ",".join(record.flags) or "-"))

    # Whose turn it is at first is drawn.
    assert seen in found


def test_a_response_can_ask_to_leave_its_host_out(world: World) -> None:
    logs = [world.answers[f"{IMMEDIATE}-{at}"].log for at in range(len(STEPS))]
    found: list[list[str | None]] = []
    for seed in range(6):
        one = ready(world)
        found.append([])
        for at, step in enumerate(STEPS):
            request = Request(method="GET", authority="test", path=f"/{IMMEDIATE}/{at}")
            stream = streamed(one, request, draws=Listed(values={"turn": [seed]}))
            play(stream, scripted(step))
            found[-1].append(stream.record().endpoint)

    assert [log["host"] for log in logs] in found


def shown(one: Proxy, path: str) -> dict[str, str]:
    view = View(
        proxy=one, stats=Stats(), resources=Resources(), dynamic=False, now_ns=0, epoch_ns=0
    )
    lines = page(view, path).body.splitlines()
    return {name: value.strip() for name, _, value in (each.rpartition(":") for each in lines)}


def checked_on(case: Case) -> Proxy:
    """Return a proxy whose endpoint has been checked by a case's script, and then on."""
    one = proxy(listener(), [scripts(case, 1, "log")])
    upstream = one.upstreams[case.id]
    assert upstream.health is not None
    (host,) = upstream.hosts.values()
    found = findings(upstream, case)
    for finding in [*found, *found[-1:] * 9]:
        upstream.health.report(host, finding, 0, Listed())
    return one


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_flags_in_the_end(world: World, case: Case) -> None:
    name, ours = f"{case.id}::127.0.0.1:1::health_flags:", checked_on(case)
    want = shown(ours, "/clusters")[name]
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        flags = {
            value
            for name, value in world.admin("/clusters").items()
            if name.startswith(f"{case.id}::") and name.endswith("health_flags:")
        }
        if flags == {want}:
            return
        assert time.monotonic() < deadline, (flags, want)
        threading.Event().wait(0.02)


def test_flags_of_all_hosts(world: World) -> None:
    one = ready(world)
    names = [name for name in shown(one, "/clusters") if name.endswith("health_flags:")]
    seen = world.admin("/clusters")

    flags = {name: value for name, value in shown(one, "/clusters").items() if name in names}
    # What a response has asked for since then comes on top.
    kept = {name: value for name, value in flags.items() if not name.startswith(IMMEDIATE)}
    assert kept == {name: seen[name] for name in kept}


def test_counts_of_checks(world: World) -> None:
    one = ready(world)
    upstream = one.upstreams[IMMEDIATE]
    assert upstream.health is not None
    for host in upstream.hosts.values():
        upstream.health.ask(host, IMMEDIATE)
    first = next(iter(upstream.hosts.values()))
    upstream.heed(first, Response(status=200, headers=tuple(step_headers(STEPS[1])[1])), 1)
    query = f"/stats?filter=^cluster.{IMMEDIATE}.health_check"
    want = shown(one, query)
    seen = world.admin(query)

    assert want == {name: seen[name] for name in want}
    assert set(seen) - set(want) == {f"cluster.{IMMEDIATE}.health_check.verify_cluster"}
