"""Access logs of connections against the real Envoy: TCP proxies and listeners."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulator.envoy.access_log import written
from simulator.envoy.connection import Connection
from simulator.envoy.draws import Listed
from simulator.envoy.listener import Accepted
from tests.simulator.envoy.playing import cluster, proxy
from tests.simulator.envoy.real import Backend, running
from tests.simulator.envoy.test_access_log_against_envoy import (
    EVERY,
    VOLATILE,
    World,
    log,
    shaped,
    wait,
)

pytestmark = pytest.mark.envoy

TCP_FORM = {"log_format": {"json_format": EVERY}}
UNKNOWN_TO_US = {"BYTES_RECEIVED", "BYTES_SENT", "STREAM_ID"}
"""How many bytes an HTTP request is that goes through as TCP, and the id of a connection."""
TARGETS = ("live", "dead", "empty", "gone")


def tcp_listener(target: str, folder: Path) -> dict[str, Any]:
    kind = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
    config: dict[str, Any] = {"@type": kind, "stat_prefix": "t", "cluster": target}
    config["access_log"] = [log(folder / f"{target} proxy", **TCP_FORM)]
    chain = {"name": "chain", "filters": [{"name": "tcp", "typed_config": config}]}
    return {
        "name": target,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [chain],
        "access_log": [log(folder / f"{target} listener", **TCP_FORM)],
    }


@pytest.fixture(scope="module")
def connections(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("tcp-logs")
    with Backend(1) as backend, socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        dead = reserved.getsockname()[1]
        clusters = [cluster("live", *backend.ports), cluster("dead", dead), cluster("empty")]
        listeners = [tcp_listener(target, folder) for target in TARGETS]
        with running(listeners, clusters, folder, logged=False) as envoy:
            lines = {}
            for target in TARGETS:
                with socket.create_connection(("127.0.0.1", envoy.ports[target])) as client:
                    if target == "live":
                        client.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
                    client.recv(100)
                for kind in ("proxy", "listener"):
                    path = folder / f"{target} {kind}"
                    wait(path, 1)
                    lines[path.name] = path.read_text().splitlines()
            ports = envoy.ports
        yield World(lines, folder, ports["live"], clusters, time.time_ns())


@pytest.mark.parametrize("kind", ["proxy", "listener"])
@pytest.mark.parametrize("target", TARGETS)
def test_a_connection_is_logged_as_in_envoy(connections: World, target: str, kind: str) -> None:
    config = tcp_listener(target, connections.folder)
    config["address"]["socket_address"]["port_value"] = connections.port
    one = proxy(config, connections.clusters, epoch_ns=connections.epoch_ns, address="127.0.0.1")
    connection = Connection(
        address="127.0.0.1", port=connections.port, source_ip="127.0.0.1", source_port=40000
    )
    accepted = one.accept(connection)
    assert isinstance(accepted, Accepted)
    assert accepted.tcp is not None
    session = one.session(accepted.tcp, connection, Listed())
    endpoint = session.start(0)
    if endpoint is not None and target == "dead":
        session.failure()
    elif endpoint is not None:
        session.end()

    found = written(session.entries(1_000_000, accepted.listener.access_logs))

    (line,) = [each for each in found if each.sink.endswith(kind)]
    mine, real = json.loads(line.text), json.loads(connections.lines[f"{target} {kind}"][0])
    for name in UNKNOWN_TO_US:
        assert mine.pop(name) is None
        assert real.pop(name) is not None
    for name in real:
        if name in VOLATILE or name.startswith("DOWNSTREAM_LOCAL"):
            mine[name], real[name] = shaped(mine[name]), shaped(real[name])
    assert mine == {name: real[name] for name in mine}
