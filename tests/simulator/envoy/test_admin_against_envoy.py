"""The administration interface against the real Envoy, after the same requests."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from simulator.envoy.admin import Page, View, page
from simulator.envoy.connection import Connection
from simulator.envoy.draws import Listed
from simulator.envoy.filters.lasting import EPOCH_NS
from simulator.envoy.listener import Accepted
from simulator.envoy.proxy import Proxy
from simulator.envoy.request import Request
from simulator.envoy.stats import Stats
from simulator.envoy_api import Resources, parse
from tests.simulator.envoy.playing import cluster, play, proxy, scripted
from tests.simulator.envoy.real import Backend, http_listener, running
from tests.simulator.envoy.test_access_log_against_envoy import CASES, ask, filters, table

pytestmark = pytest.mark.envoy

PATHS = (
    "/stats",
    "/stats?usedonly&filter=upstream_rq_\\d",
    "/stats?filter=upstream_rq_2&type=Counters&format=json",
    "/stats?filter=(",
    "/stats/prometheus?filter=upstream_rq_|downstream_rq_|vcluster|no_",
    "/clusters",
    "/clusters?filter=re",
    "/clusters?format=json",
    "/listeners",
    "/listeners?format=json",
    "/config_dump",
    "/config_dump?include_eds",
    "/config_dump?resource=static_clusters",
    "/config_dump?resource=static_listeners&name_regex=ma.*",
    "/config_dump?resource=static_clusters&name_regex=li",
    "/config_dump?resource=nope",
    "/config_dump?resource=bootstrap",
    "/ready",
)


@dataclass
class World:
    """What the real Envoy showed, and a simulated one that has had the same requests."""

    pages: dict[str, Page]
    view: View


def get(folder: Path, path: str) -> Page:
    host, port = (folder / "admin").read_text().rsplit(":", 1)
    client = http.client.HTTPConnection(host, int(port), timeout=10)
    client.request("GET", path)
    response = client.getresponse()
    body = response.read().decode()
    client.close()
    return Page(status=response.status, type=response.getheader("content-type", ""), body=body)


def wait_for(folder: Path, requests: int) -> None:
    """Wait until the last request is counted."""
    wanted = f"http.main.downstream_rq_completed: {requests}"
    for _ in range(1000):
        if wanted in get(folder, "/stats?filter=downstream_rq_completed").body.splitlines():
            return
        threading.Event().wait(0.005)
    raise AssertionError("a request is not counted")


def serve(one: Proxy, port: int) -> Stats:
    """Have the simulated proxy serve the cases."""
    stats = Stats()
    for case in CASES:
        connection = Connection(address="127.0.0.1", port=port, source_ip="127.0.0.1")
        accepted = one.accept(connection)
        assert isinstance(accepted, Accepted)
        assert accepted.http is not None
        headers = dict(case.headers)
        host = headers.pop(":authority", "test")
        request = Request(
            method=case.method,
            authority=host,
            path=case.path,
            headers=(("x-case", case.id), *headers.items()),
        )
        stream = one.stream(accepted.http, request, Listed(), connection=connection)
        play(stream, scripted("refuse" if case.path == "/dead" else case.script))
        stats.request(accepted.listener, "main", stream.facts(0))
    return stats


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("admin")
    with Backend(1) as backend, socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        dead = reserved.getsockname()[1]
        clusters = [
            cluster("dead", dead),
            cluster("empty"),
            cluster("live", *backend.ports),
            cluster("renamed", *backend.ports, alt_stat_name="other"),
        ]
        listener = http_listener("main", table(), filters())
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        listener["address"]["socket_address"]["port_value"] = port
        with running([listener], clusters, folder, logged=False) as envoy:
            assert envoy.ports["main"] == port
            for case in CASES:
                ask(port, case)
            # Answers to health checks are not counted.
            wait_for(folder, len(CASES) - 1)
            pages = {path: get(folder, path) for path in PATHS}
    one = proxy(listener, clusters)
    view = View(
        proxy=one,
        stats=serve(one, port),
        resources=Resources(
            listeners=(parse(listener, "envoy.config.listener.v3.Listener"),),
            clusters=tuple(parse(each, "envoy.config.cluster.v3.Cluster") for each in clusters),
        ),
        dynamic=False,
        now_ns=0,
        epoch_ns=EPOCH_NS,
    )
    return World(pages, view)


def values(text: str) -> dict[str, str]:
    return dict(line.split(": ") for line in text.splitlines())


def test_statistics_have_envoys_names_and_values(world: World) -> None:
    mine, real = values(page(world.view, "/stats").body), values(world.pages["/stats"].body)

    # When a connection is ready for the next request is not the same.
    volatile = re.compile(r"upstream_cx_(active|total|http1_total)$")
    mine = {name: value for name, value in mine.items() if not volatile.search(name)}
    assert len(mine) > 120
    assert mine == {name: real.get(name, "no such name") for name in mine}


def test_what_was_counted_is_counted_by_envoy_and_by_the_simulator(world: World) -> None:
    mine, real = values(page(world.view, "/stats").body), values(world.pages["/stats"].body)
    wanted = re.compile(
        r"^(cluster\.[^.]+|vhost\..*)\.((external|internal|retry)\.)?upstream_rq_(?!pending|per_cx|time)"
        r"|^(listener.*)?http\.main\.(downstream_rq_(?!time)|no_|rq_)"
    )

    counted = {name for name, value in real.items() if value != "0" and wanted.match(name)}

    assert counted
    assert counted <= mine.keys()


@pytest.mark.parametrize(
    "path",
    [
        "/stats?usedonly&filter=upstream_rq_\\d",
        "/stats?filter=upstream_rq_2&type=Counters&format=json",
        "/stats?filter=(",
        "/listeners",
        "/listeners?format=json",
        "/config_dump?resource=nope",
        "/config_dump?resource=bootstrap",
        "/ready",
    ],
)
def test_a_page_is_envoys(world: World, path: str) -> None:
    mine, real = page(world.view, path), world.pages[path]

    assert mine.status == real.status
    assert mine.body.strip() == real.body.strip()


def test_a_metric_is_labelled_as_by_envoy(world: World) -> None:
    path = "/stats/prometheus?filter=upstream_rq_|downstream_rq_|vcluster|no_"
    mine, real = page(world.view, path).body, world.pages[path].body

    lines = [line for line in mine.splitlines() if not line.endswith(" 0")]

    assert len(lines) > 50
    assert [line for line in lines if line not in real.splitlines()] == []


@pytest.mark.parametrize("path", ["/clusters", "/clusters?filter=re"])
def test_clusters_are_listed(world: World, path: str) -> None:
    mine, real = page(world.view, path).body, world.pages[path].body

    def comparable(text: str) -> list[str]:
        return sorted(line for line in text.splitlines() if "::cx_" not in line)

    assert comparable(mine) == comparable(real)


def without_connections(status: dict[str, Any]) -> dict[str, Any]:
    for host in status.get("host_statuses", []):
        host["stats"] = [one for one in host["stats"] if not one["name"].startswith("cx_")]
    return status


def test_clusters_are_listed_in_json(world: World) -> None:
    path = "/clusters?format=json"
    mine, real = page(world.view, path).body, world.pages[path].body

    def comparable(text: str) -> dict[str, Any]:
        rows = json.loads(text)["cluster_statuses"]
        return {row["name"]: without_connections(row) for row in rows}

    assert comparable(mine) == comparable(real)


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_times(one) for name, one in value.items() if name != "last_updated"}
    return [without_times(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("path", [path for path in PATHS if path.startswith("/config_dump")][:5])
def test_the_configuration_is_dumped(world: World, path: str) -> None:
    mine, real = page(world.view, path), world.pages[path]

    assert mine.status == real.status
    wanted = without_times(json.loads(real.body)).get("configs", [])
    found = without_times(json.loads(mine.body)).get("configs", [])
    wanted = [one for one in wanted if not one["@type"].endswith(".BootstrapConfigDump")]
    assert found == wanted
