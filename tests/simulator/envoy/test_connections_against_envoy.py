"""Connections carried as TCP: the simulated proxy against the real Envoy, one by one."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from simulator.envoy.access_log import Record
from simulator.envoy.connection import Connection
from simulator.envoy.draws import Listed
from simulator.envoy.listener import Accepted
from simulator.envoy.proxy import Proxy
from tests.simulator.envoy.playing import cluster, proxy
from tests.simulator.envoy.real import running

pytestmark = pytest.mark.envoy

NETWORK = "type.googleapis.com/envoy.extensions.filters.network."
LOG = {
    "flags": "%RESPONSE_FLAGS%",
    "details": "%CONNECTION_TERMINATION_DETAILS%",
    "cluster": "%UPSTREAM_CLUSTER%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
}
_PATIENCE_S = 10.0


def before(kind: str, **config: Any) -> dict[str, Any]:
    """Return a network filter that stands before the TCP proxy."""
    return {"name": "before", "typed_config": {"@type": NETWORK + kind, **config}}


def tree(kind: str, value: str, action: str) -> dict[str, Any]:
    """Return rules that look at one input of the connection."""
    source = {
        "@type": f"type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3.{kind}"
    }
    decision = {
        "@type": "type.googleapis.com/envoy.config.rbac.v3.Action",
        "name": "found",
        "action": action,
    }
    entry = {
        "predicate": {
            "single_predicate": {
                "input": {"name": "input", "typed_config": source},
                "value_match": {"exact": value},
            }
        },
        "on_match": {"action": {"name": "action", "typed_config": decision}},
    }
    matcher = {"matcher_list": {"matchers": [entry]}}
    return before("rbac.v3.RBAC", stat_prefix="r", matcher=matcher)


def rbac(action: str, *principals: dict[str, Any], **permission: Any) -> dict[str, Any]:
    policy = {"permissions": [permission or {"any": True}], "principals": list(principals)}
    policies = {"p": policy} if principals else {}
    rules = {"action": action, "policies": policies}
    return before("rbac.v3.RBAC", stat_prefix="r", rules=rules)


def rate(tokens: int) -> dict[str, Any]:
    bucket = {"max_tokens": tokens, "fill_interval": "1000s"}
    return before("local_ratelimit.v3.LocalRateLimit", stat_prefix="l", token_bucket=bucket)


def limit(connections: int) -> dict[str, Any]:
    return before(
        "connection_limit.v3.ConnectionLimit", stat_prefix="l", max_connections=connections
    )


@dataclass(frozen=True)
class Case:
    """A listener of its own, and how many connections come while the earlier ones are open."""

    id: str
    filters: tuple[dict[str, Any], ...] = ()
    proxy: dict[str, Any] = field(default_factory=lambda: {"cluster": "live"})
    connections: int = 1


ANYONE: dict[str, Any] = {"any": True}
LOOPBACK = {"address_prefix": "127.0.0.0", "prefix_len": 8}
ELSEWHERE = {"address_prefix": "10.0.0.0", "prefix_len": 8}
CASES = [
    Case("plain"),
    Case("refused", proxy={"cluster": "dead"}),
    Case("refused-three-times", proxy={"cluster": "dead", "max_connect_attempts": 3}),
    Case("no-cluster", proxy={"cluster": "nowhere"}),
    Case("no-endpoint", proxy={"cluster": "empty"}),
    Case(
        "weighted",
        proxy={"weighted_clusters": {"clusters": [{"name": "live", "weight": 1}]}},
    ),
    Case("denied", (rbac("DENY", ANYONE),)),
    Case("denied-before-a-refusal", (rbac("DENY", ANYONE),), {"cluster": "empty"}),
    Case("not-denied", (rbac("DENY"),)),
    Case("allowed", (rbac("ALLOW", ANYONE),)),
    Case("not-allowed", (rbac("ALLOW"),)),
    Case("logged", (rbac("LOG", ANYONE),)),
    Case("allowed-source", (rbac("ALLOW", {"direct_remote_ip": LOOPBACK}),)),
    Case("other-source", (rbac("ALLOW", {"direct_remote_ip": ELSEWHERE}),)),
    Case("remote-source", (rbac("ALLOW", {"remote_ip": LOOPBACK}),)),
    Case("source", (rbac("ALLOW", {"source_ip": LOOPBACK}),)),
    Case("port", (rbac("ALLOW", ANYONE, destination_port=1),)),
    Case("address", (rbac("ALLOW", ANYONE, destination_ip=LOOPBACK),)),
    Case("http-path", (rbac("ALLOW", ANYONE, url_path={"path": {"prefix": "/"}}),)),
    Case("not-authenticated", (rbac("ALLOW", {"authenticated": {}}),)),
    Case("not-http-path", (rbac("DENY", {"not_id": {"url_path": {"path": {"prefix": "/"}}}}),)),
    Case("allowed-then-denied", (rbac("ALLOW", ANYONE), rbac("DENY", ANYONE))),
    Case("limit", (limit(2),), connections=4),
    Case("rate", (rate(2),), connections=4),
    *(
        Case(f"tree-{name}", (tree("DestinationIPInput", value, action),))
        for name, value, action in [
            ("allowed", "127.0.0.1", "ALLOW"),
            ("denied", "127.0.0.1", "DENY"),
            ("logged", "127.0.0.1", "LOG"),
            ("that-leads-nowhere", "127.0.0.2", "ALLOW"),
        ]
    ),
    Case("rate-then-denied", (rate(1), rbac("DENY", ANYONE)), connections=2),
    Case("limit-then-rate", (limit(2), rate(1)), connections=3),
    Case("too-many-for-the-cluster", proxy={"cluster": "few"}, connections=4),
    Case(
        "too-many-and-tried-again",
        proxy={"cluster": "few-weighed", "max_connect_attempts": 3},
        connections=3,
    ),
    Case("sni-cluster-without-sni", (before("sni_cluster.v3.SniCluster"),)),
]


def listener(case: Case, log: Path | None = None) -> dict[str, Any]:
    """Return the listener of a case, in Envoy's JSON form."""
    tcp = {"@type": NETWORK + "tcp_proxy.v3.TcpProxy", "stat_prefix": "t", **case.proxy}
    if log is not None:
        config = {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": str(log),
            "log_format": {"json_format": {"case": case.id, **LOG}},
        }
        tcp["access_log"] = [{"name": "file", "typed_config": config}]
    return {
        "name": case.id,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [*case.filters, {"name": "tcp", "typed_config": tcp}]}],
    }


@contextmanager
def echoing() -> Iterator[int]:
    """Answer the first bytes of each connection, and keep it open until the client closes."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with ExitStack() as kept:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                kept.enter_context(connection)
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        while data := connection.recv(100):
            connection.sendall(data)
        connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(_PATIENCE_S)


def send(port: int, connections: int) -> list[bool]:
    """Open connections one after the other; return which of them were answered."""
    answered = []
    with ExitStack() as held:
        for _ in range(connections):
            client = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S)
            held.enter_context(client)
            try:
                client.sendall(b"hello")
                answered.append(client.recv(100) == b"hello")
            except ConnectionError:
                answered.append(False)
    return answered


@dataclass
class World:
    """What the real Envoy did with every connection, and what it was told."""

    answered: dict[str, list[bool]]
    logged: dict[str, list[dict[str, Any]]]
    ports: dict[str, int]
    clusters: list[dict[str, Any]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("tcp")
    log = folder / "tcp.log"
    with socket.socket() as reserved, echoing() as port:
        # Bound but not listening: connections are refused, and nobody else takes the port.
        reserved.bind(("127.0.0.1", 0))
        dead = reserved.getsockname()[1]
        few = {"circuit_breakers": {"thresholds": [{"max_connections": 2}]}}
        clusters = [
            cluster("live", port),
            cluster("dead", dead),
            cluster("empty"),
            cluster("few", port, **few),
            cluster("few-weighed", port, **few),
        ]
        listeners = [listener(case, log) for case in CASES]
        with (
            running(listeners, clusters, folder, logged=False) as envoy,
            ThreadPoolExecutor(max_workers=4) as pool,
        ):
            sent = pool.map(lambda case: send(envoy.ports[case.id], case.connections), CASES)
            answered = dict(zip([case.id for case in CASES], sent, strict=True))
            logged = read(log, sum(case.connections for case in CASES))
        yield World(answered, logged, envoy.ports, clusters)


def read(log: Path, lines: int) -> dict[str, list[dict[str, Any]]]:
    """Return the lines of each case, once all are there."""
    for _ in range(1000):
        found = log.read_text().splitlines() if log.exists() else []
        if len(found) >= lines:
            break
        threading.Event().wait(0.01)
    assert len(found) == lines
    by_case: dict[str, list[dict[str, Any]]] = {}
    for line in map(json.loads, found):
        by_case.setdefault(line.pop("case"), []).append(line)
    return by_case


def carried(one: Proxy, case: Case, port: int, dead: int) -> tuple[list[bool], list[Record]]:
    """Send the connections of a case to the simulated proxy; none ends before all have come."""
    answered, records = [], []
    for _ in range(case.connections):
        connection = Connection(address="127.0.0.1", port=port, source_ip="127.0.0.1")
        accepted = one.accept(connection)
        assert isinstance(accepted, Accepted)
        assert accepted.tcp is not None
        session = one.session(accepted.tcp, connection, Listed())
        endpoint = session.start(0)
        while endpoint is not None and endpoint.port == dead:
            endpoint = session.failure()
        answered.append(endpoint is not None)
        records.append(session.record())
    return answered, records


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_a_connection_fares_as_in_envoy(world: World, case: Case) -> None:
    config = listener(case)
    config["address"]["socket_address"]["port_value"] = world.ports[case.id]
    dead = world.clusters[1]["load_assignment"]["endpoints"][0]["lb_endpoints"][0]
    dead_port = dead["endpoint"]["address"]["socket_address"]["port_value"]

    answered, records = carried(
        proxy(config, world.clusters), case, world.ports[case.id], dead_port
    )

    assert answered == world.answered[case.id]
    lines = [
        {
            "flags": ",".join(record.flags) or "-",
            "details": record.details or None,
            "cluster": record.cluster,
            "attempts": record.attempts,
        }
        for record in records
    ]
    # What is closed at once is logged before what stays open.
    assert sorted(map(str, lines)) == sorted(
        str({name: line[name] for name in ("flags", "details", "cluster", "attempts")})
        for line in world.logged[case.id]
    )
