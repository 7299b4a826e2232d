"""Destinations that a header names, against the real Envoy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from simulator.envoy.connection import Connection
from simulator.envoy.request import Request
from simulator.envoy.upstream import Upstream
from tests.simulator.envoy.playing import play, proxy, streamed
from tests.simulator.envoy.real import Backend, http_listener, running

pytestmark = pytest.mark.envoy

USUAL = "x-envoy-original-dst-host"


@dataclass(frozen=True)
class Case:
    id: str
    config: dict[str, Any]
    header: str
    value: str
    """With the backend's port in place of PORT."""


CASES = [
    Case("the-usual-header", {"use_http_header": True}, USUAL, "127.0.0.1:PORT"),
    Case("another-header", {"use_http_header": True, "http_header_name": "x-to"}, "x-to",
         "127.0.0.1:PORT"),
    Case("another-port", {"use_http_header": True, "upstream_port_override": 0}, USUAL,
         "127.0.0.1:9"),
    Case("nobody-there", {"use_http_header": True}, USUAL, "127.0.0.1:9"),
]  # fmt: skip


def configured(case: Case, port: int) -> dict[str, Any]:
    config = dict(case.config)
    if "upstream_port_override" in config:
        config["upstream_port_override"] = port
    return {
        "name": case.id,
        "type": "ORIGINAL_DST",
        "connect_timeout": "1s",
        "lb_policy": "CLUSTER_PROVIDED",
        "original_dst_lb_config": config,
    }


def listener() -> dict[str, Any]:
    routes = [{"match": {"prefix": f"/{c.id}/"}, "route": {"cluster": c.id}} for c in CASES]
    table = {"name": "r", "virtual_hosts": [{"name": "h", "domains": ["*"], "routes": routes}]}
    return http_listener("main", table, [])


@dataclass
class World:
    logs: dict[str, dict[str, Any]]
    clusters: list[dict[str, Any]]
    port: int


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Backend(1) as backend:
        (port,) = backend.ports
        clusters = [configured(case, port) for case in CASES]
        with running([listener()], clusters, tmp_path_factory.mktemp("envoy")) as envoy:
            for case in CASES:
                headers = {case.header: case.value.replace("PORT", str(port))}
                envoy.ask(case.id, f"/{case.id}/", headers)
            logs = envoy.logged([case.id for case in CASES])
        yield World(logs, clusters, port)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_a_header_names_the_host(world: World, case: Case) -> None:
    value = case.value.replace("PORT", str(world.port))
    one = proxy(listener(), world.clusters)
    request = Request(
        method="GET", authority="test", path=f"/{case.id}/", headers=((case.header, value),)
    )
    stream = streamed(one, request)
    there = f"127.0.0.1:{world.port}"
    play(stream, lambda attempt: "200" if attempt.endpoint.key == there else "refuse")
    record, log = stream.record(), world.logs[case.id]

    flags = ",".join(record.flags) or "-"
    assert (record.endpoint, record.status, flags) == (log["host"], log["status"], log["flags"])


@pytest.mark.parametrize(
    ("value", "want"),
    [
        pytest.param("10.0.0.7:80", "10.0.0.7:80", id="an-address"),
        pytest.param("[::1]:80", "[::1]:80", id="another-kind"),
        pytest.param("pages.example:80", "10.0.0.1:8080", id="a-name"),
        pytest.param("10.0.0.7", "10.0.0.1:8080", id="no-port"),
        pytest.param("10.0.0.7:65536", "10.0.0.1:8080", id="a-port-too-high"),
        pytest.param("::1:80", "10.0.0.1:8080", id="no-brackets"),
        pytest.param("", "10.0.0.1:8080", id="nothing"),
    ],
)
def test_what_is_no_address_is_passed_over(value: str, want: str) -> None:
    clusters = [configured(case, 1) for case in CASES]
    whole = proxy(listener(), clusters).config.clusters[CASES[0].id]
    request = Request(method="GET", authority="x", path="/", headers=((USUAL, value),))
    connection = Connection(address="10.0.0.1", port=8080)

    host = Upstream(whole).original_destination(connection, request, None)

    assert host is not None
    assert host.endpoint.key == want
