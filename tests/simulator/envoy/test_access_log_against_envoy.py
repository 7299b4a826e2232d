"""Access logs against the real Envoy: the same requests give the same lines."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from simulator.envoy.access_log import node, written
from simulator.envoy.connection import Connection
from simulator.envoy.draws import Listed
from simulator.envoy.format_commands import COMMANDS, LOG_COMMANDS
from simulator.envoy.listener import Accepted
from simulator.envoy.proxy import Proxy
from simulator.envoy.request import Request
from simulator.observe.explain import Node, Outcome
from tests.simulator.envoy.playing import cluster, play, proxy, scripted
from tests.simulator.envoy.real import Backend, http_listener, running

pytestmark = pytest.mark.envoy

LOGGERS = "type.googleapis.com/envoy.extensions.access_loggers."
ARGUMENTS = {
    "REQ": "X-CASE",
    "REQUEST_HEADER": "X-NONE?:PATH",
    "RESP": "X-NONE?SERVER",
    "RESPONSE_HEADER": ":STATUS",
    "TRAILER": "x",
    "RESPONSE_TRAILER": "x",
    "QUERY_PARAM": "q",
    "DYNAMIC_METADATA": "m:text",
    "METADATA": "DYNAMIC:m",
    "FILTER_STATE": "none:PLAIN",
    "CLUSTER_METADATA": "m:k",
    "UPSTREAM_METADATA": "m:k",
    "CEL": "request.path",
    "COMMON_DURATION": "DS_RX_BEG:US_RX_BEG:us",
}
VOLATILE = {
    "START_TIME", "START_TIME_LOCAL", "EMIT_TIME", "EMIT_TIME_LOCAL", "DURATION",
    "COMMON_DURATION", "RESPONSE_DURATION", "RESPONSE_TX_DURATION", "REQUEST_DURATION",
    "REQUEST_TX_DURATION", "STREAM_ID", "DOWNSTREAM_REMOTE_ADDRESS", "DOWNSTREAM_REMOTE_PORT",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS", "DOWNSTREAM_DIRECT_REMOTE_PORT", "UPSTREAM_LOCAL_ADDRESS",
    "RESPONSE_HEADERS_BYTES",
}  # fmt: skip
"""Commands that speak of time, chance and ports: of these the form alone is compared."""


def command(name: str) -> str:
    return f"%{name}({ARGUMENTS[name]})%" if name in ARGUMENTS else f"%{name}%"


EVERY = {name: command(name) for name in sorted({*COMMANDS, *LOG_COMMANDS})}
SHAPES = {
    "number": "%RESPONSE_CODE%",
    "joined": "%RESPONSE_CODE%/%REQ(none)%",
    "cut": "%REQ(x-case):3%",
    "list": ["%RESPONSE_CODE%", "x", "%REQ(none)%"],
    "object": {"b": "%BYTES_SENT%", "a": "%REQ(none)%"},
    "odd": 'a"\n%REQ(x-odd)%',
    "literal": 3,
    "flag": True,
    "absent": None,
    "empty": "",
    "metadata": "%DYNAMIC_METADATA(m)%",
    "cel": [f"%CEL({text_})%" for text_ in ("1 + 2", "1.5", "1.0", "[1]", "1 == 1", "{}", "null")],
    "in-text": "-%DYNAMIC_METADATA(m)%-",
}
DATES = "|".join(
    f"%START_TIME({form})%"
    for form in ("%s", "%s.%3f", "%Y/%m/%d %H:%M:%S", "%f", "%6f", "%E3S", "%b %e", "%T", "%Z %z")
)


def log(path: Path, **form: Any) -> dict[str, Any]:
    """Return an access log that writes to a file."""
    config = {"@type": f"{LOGGERS}file.v3.FileAccessLog", "path": str(path), **form}
    return {"name": "file", "typed_config": config}


def text(form: str) -> dict[str, Any]:
    return {"log_format": {"text_format_source": {"inline_string": form + "\n"}}}


FORMATS: dict[str, dict[str, Any]] = {
    "every-command": {"log_format": {"json_format": EVERY}},
    "every-command-that-has-a-value": {
        "log_format": {"json_format": EVERY, "omit_empty_values": True}
    },
    "every-command-as-text": text("\t".join(EVERY.values())),
    "text-without-what-is-empty": {
        "log_format": {**text("%REQ(none)%,%REQ(x-case)%")["log_format"], "omit_empty_values": True}
    },
    "shapes": {"log_format": {"json_format": SHAPES}},
    "shapes-without-what-is-empty": {
        "log_format": {"json_format": SHAPES, "omit_empty_values": True}
    },
    "old-text": {"format": "%RESPONSE_CODE% %RESPONSE_FLAGS%\n"},
    "old-json": {"json_format": {"code": "%RESPONSE_CODE%", "none": "%REQ(none)%"}},
    "old-typed-json": {"typed_json_format": {"code": "%RESPONSE_CODE%", "none": "%REQ(none)%"}},
    "plain-text-format": {"log_format": {"text_format": "100%% %REQ(x-case)%\n"}},
    "usual": {},
    "dates": text(DATES),
}


def compare(which: str, op: str, value: int) -> dict[str, Any]:
    comparison = {"op": op, "value": {"default_value": value, "runtime_key": "k"}}
    return {which: {"comparison": comparison}}


def metadata(value: str, **more: Any) -> dict[str, Any]:
    path = [{"key": "text"}]
    matcher = {"filter": "m", "path": path, "value": {"string_match": {"exact": value}}}
    return {"metadata_filter": {"matcher": matcher, **more}}


GRPC = {"grpc_status_filter": {"statuses": ["UNAVAILABLE", "OK"]}}
ERRORS = compare("status_code_filter", "GE", 500)
FLAGGED: dict[str, Any] = {"response_flag_filter": {}}
FILTERS: dict[str, dict[str, Any]] = {
    "status-equal": compare("status_code_filter", "EQ", 200),
    "status-at-least": ERRORS,
    "status-at-most": compare("status_code_filter", "LE", 404),
    "status-other-than": compare("status_code_filter", "NE", 503),
    "duration-at-least": compare("duration_filter", "GE", 0),
    "duration-too-long": compare("duration_filter", "GE", 60_000),
    "no-health-check": {"not_health_check_filter": {}},
    "traceable": {"traceable_filter": {}},
    "header": {"header_filter": {"header": {"name": "x-odd", "present_match": True}}},
    "any-flag": FLAGGED,
    "some-flag": {"response_flag_filter": {"flags": ["NR", "UF"]}},
    "grpc-status": GRPC,
    "other-grpc-status": {"grpc_status_filter": {"statuses": ["UNAVAILABLE"], "exclude": True}},
    "all-of": {"and_filter": {"filters": [ERRORS, FLAGGED]}},
    "one-of": {"or_filter": {"filters": [GRPC, ERRORS]}},
    "metadata": metadata("hello"),
    "other-metadata": metadata("bye"),
    "metadata-there": metadata("hello", match_if_key_not_found=False),
    "log-type": {"log_type_filter": {"types": ["DownstreamEnd"]}},
    "other-log-type": {"log_type_filter": {"types": ["DownstreamEnd"], "exclude": True}},
    "sampled-by-id": {"runtime_filter": {"runtime_key": "r", "percent_sampled": {"numerator": 50}}},
    "sampled-always": {
        "runtime_filter": {"runtime_key": "r", "percent_sampled": {"numerator": 100}}
    },
}


EXPRESSIONS = (
    "request.method == 'POST'",
    "request.path.startsWith('/direct') || response.code >= 500",
    "request.headers['x-odd'] != ''",
    "has(request.headers.none)",
    "'x-odd' in request.headers",
    "!('x-odd' in request.headers)",
    "request.headers['x-none'] == '' || request.method == 'GET'",
    "request.headers['x-none'] == '' && request.method == 'GET'",
    "false && request.headers['x-none'] == ''",
    "request.url_path == '/x' ? true : response.code == 404",
    "request.url_path.matches('^/re')",
    "request.query == 'q=5'",
    "response.code / 100 == 5",
    "response.code % 100 == 4",
    "response.code == 200.0",
    "size(request.path) > 6",
    "request.host in ['a', 'test']",
    "response.code_details.contains('via')",
    "metadata.filter_metadata['m']['text'] == 'hello'",
    "metadata.filter_metadata['m']['number'] == 3.0",
    "xds.cluster_name == 'live'",
    "xds.route_name == 'to /'",
    "connection.mtls",
    "source.address.startsWith('127.0.0.1:')",
    "request.scheme + request.method == 'httpGET'",
    "request.scheme == 'http'",
    "xds.virtual_host_name == 'h'",
    "request.id != ''",
    "request.method",
    "1 == '1'",
    "request.useragent == 'x'",
    "{'GET': 1}[request.method] == 1",
    "request.protocol == 'HTTP/1.1'",
    "-response.code < 0 && response.code - 200 >= 0",
    "response.headers['server'] == 'backend'",
)
EXPRESSION = f"{LOGGERS}filters.cel.v3.ExpressionFilter"
FILTERS |= {
    f"expression {at}": {
        "extension_filter": {
            "name": "cel",
            "typed_config": {"@type": EXPRESSION, "expression": text_},
        }
    }
    for at, text_ in enumerate(EXPRESSIONS)
}


@dataclass(frozen=True)
class Case:
    """One request."""

    id: str
    path: str = "/x?q=5"
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    body: str = ""
    script: str = "200"


GRPC_KIND = {"content-type": "application/grpc"}
CASES = [
    Case("plain"),
    Case("odd", headers={"x-odd": 'q"\\ä'}),
    Case("posted", method="POST", body="hällo"),
    Case("direct", "/direct"),
    Case("direct-grpc", "/direct", GRPC_KIND),
    Case("no-route", "/none", {":authority": "elsewhere"}),
    Case("no-cluster", "/gone"),
    Case("refused", "/dead"),
    Case("refused-grpc", "/dead", GRPC_KIND),
    Case("no-endpoint", "/empty"),
    Case("failing", script="503"),
    Case("cut-off", script="close"),
    Case("retried", "/retry", script="503,200"),
    Case("retried-in-vain", "/retry", script="503"),
    Case("too-slow", "/slow", script="hang"),
    Case("rewritten", "/rewrite/a"),
    Case("renamed", "/rename"),
    Case("grpc-answer", headers=GRPC_KIND, script="200+grpc-status:5"),
    Case("grpc-unknown", headers=GRPC_KIND, script="200+grpc-status:99"),
    Case("forwarded", headers={"x-forwarded-for": "10.1.2.3"}),
    Case("sampled", headers={"x-request-id": "0000000a-0000-4000-8000-000000000000"}),
    Case("not-sampled", headers={"x-request-id": "00000063-0000-4000-8000-000000000000"}),
    Case("healthy", "/healthz"),
    Case("virtual-cluster", "/v"),
]


def table() -> dict[str, Any]:
    again = {"retry_on": "5xx", "num_retries": 1}
    targets: list[tuple[str, dict[str, Any]]] = [
        ("/gone", {"cluster": "gone"}),
        ("/dead", {"cluster": "dead"}),
        ("/empty", {"cluster": "empty"}),
        ("/retry", {"cluster": "live", "retry_policy": again}),
        ("/slow", {"cluster": "live", "timeout": "0.2s"}),
        ("/rewrite/", {"cluster": "live", "prefix_rewrite": "/"}),
        ("/rename", {"cluster": "renamed"}),
        ("/", {"cluster": "live"}),
    ]
    routes: list[dict[str, Any]] = [
        {
            "match": {"prefix": "/direct"},
            "direct_response": {"status": 404, "body": {"inline_string": "no"}},
        }
    ]
    for prefix, action in targets:
        routes.append({"name": f"to {prefix}", "match": {"prefix": prefix}, "route": action})
    virtual = {"name": "v", "headers": [{"name": ":path", "string_match": {"prefix": "/v"}}]}
    host = {"name": "h", "domains": ["test"], "routes": routes, "virtual_clusters": [virtual]}
    hosts = [{**host, "include_request_attempt_count": True}]
    return {"name": "r", "virtual_hosts": hosts, "validate_clusters": False}


def filters() -> list[dict[str, Any]]:
    kind = "type.googleapis.com/envoy.extensions.filters.http."
    value = {"text": "hello", "number": 3, "list": ["a"]}
    entry = {"metadata_namespace": "m", "value": value}
    checked = [{"name": ":path", "string_match": {"exact": "/healthz"}}]
    return [
        {
            "name": "health",
            "typed_config": {
                "@type": f"{kind}health_check.v3.HealthCheck",
                "pass_through_mode": False,
                "headers": checked,
            },
        },
        {
            "name": "metadata",
            "typed_config": {"@type": f"{kind}set_metadata.v3.Config", "metadata": [entry]},
        },
    ]


def listener(folder: Path) -> dict[str, Any]:
    """Return a listener that keeps one log for each format and each filter."""
    made = http_listener("main", table(), filters())
    logs = [log(folder / f"format {name}", **form) for name, form in FORMATS.items()]
    for name, chosen in FILTERS.items():
        logs.append({**log(folder / f"filter {name}", **text("%REQ(x-case)%")), "filter": chosen})
    # The last one tells that a request's lines are all there.
    logs.append(log(folder / "done", **text("%REQ(x-case)%")))
    made["filter_chains"][0]["name"] = "chain"
    made["filter_chains"][0]["filters"][0]["typed_config"]["access_log"] = logs
    return made


@dataclass
class World:
    """What the real Envoy wrote, line by line, and its configuration."""

    lines: dict[str, list[str]]
    """By log; requests came in the order of `CASES`."""
    folder: Path
    port: int
    clusters: list[dict[str, Any]]
    epoch_ns: int

    def simulated(self) -> Proxy:
        config = listener(self.folder)
        config["address"]["socket_address"]["port_value"] = self.port
        return proxy(config, self.clusters, epoch_ns=self.epoch_ns, address="127.0.0.1")


def ask(port: int, case: Case) -> None:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = dict(case.headers)
    host = headers.pop(":authority", "test")
    sent = {"host": host, "x-case": case.id, "x-script": case.script, **headers}
    encoded = {name: value.encode() for name, value in sent.items()}
    client.putrequest(case.method, case.path, skip_host=True, skip_accept_encoding=True)
    for name, value in encoded.items():
        client.putheader(name, value)
    if case.body:
        client.putheader("content-length", str(len(case.body.encode())))
    client.endheaders(case.body.encode() or None)
    client.getresponse().read()
    client.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("logs")
    with Backend(1) as backend, socket.socket() as reserved:
        # Bound but not listening: connections are refused, and nobody else takes the port.
        reserved.bind(("127.0.0.1", 0))
        dead = reserved.getsockname()[1]
        clusters = [
            cluster("live", *backend.ports),
            cluster("dead", dead),
            cluster("empty"),
            cluster("renamed", *backend.ports, alt_stat_name="other"),
        ]
        with running([listener(folder)], clusters, folder, logged=False) as envoy:
            port = envoy.ports["main"]
            for at, case in enumerate(CASES, start=1):
                ask(port, case)
                wait(folder / "done", at)
            names = [f"format {name}" for name in FORMATS] + [f"filter {name}" for name in FILTERS]
            threading.Event().wait(0.05)
            lines = {name: (folder / name).read_text().splitlines(keepends=True) for name in names}
        yield World(lines, folder, port, clusters, time.time_ns())


def wait(path: Path, lines: int) -> None:
    """Wait until a log has so many lines."""
    for _ in range(1000):
        if path.exists() and len(path.read_text().splitlines()) >= lines:
            return
        threading.Event().wait(0.005)
    raise AssertionError(f"{path} lacks lines")


def simulate(world: World) -> tuple[dict[str, list[str]], list[list[Node]]]:
    """Send the same requests to the simulated proxy; return its lines by log, and its reasons."""
    one = world.simulated()
    lines: dict[str, list[str]] = {}
    told: list[list[Node]] = []
    for case in CASES:
        connection = Connection(
            address="127.0.0.1", port=world.port, source_ip="127.0.0.1", source_port=40000
        )
        accepted = one.accept(connection)
        assert isinstance(accepted, Accepted)
        assert accepted.http is not None
        headers = dict(case.headers)
        host = headers.pop(":authority", "test")
        sent = {"x-case": case.id, "x-script": case.script, **headers}
        if case.body:
            sent["content-length"] = str(len(case.body.encode()))
        request = Request(
            method=case.method,
            authority=host,
            path=case.path,
            headers=tuple(sent.items()),
            body=case.body,
        )
        stream = one.stream(accepted.http, request, Listed(), connection=connection)
        script = "refuse" if case.path == "/dead" else case.script
        steps = ",".join(
            f"{step}+content-length:2+server:backend" if step[0].isdigit() else step
            for step in script.split(",")
        )
        played = play(stream, scripted(steps))
        entries = list(played.stream.entries(played.ended_ms * 1_000_000))
        told.append([node(*entry) for entry in entries])
        for line in written(entries):
            lines.setdefault(Path(line.sink).name, []).append(line.text)
    return lines, told


def shaped(value: Any) -> Any:
    """Return a value that time, chance or a port decides without what they decide."""
    return re.sub(r"[0-9a-f]+", "0", value) if isinstance(value, str) else type(value).__name__


def comparable(name: str, line: str) -> Any:
    if name in ("format every-command", "format every-command-that-has-a-value"):
        found = json.loads(line)
        assert list(found) == sorted(found)
        return {key: shaped(one) if key in VOLATILE else one for key, one in found.items()}
    if name == "format every-command-as-text":
        pairs = zip(EVERY, line.rstrip("\n").split("\t"), strict=True)
        return {key: shaped(one) if key in VOLATILE else one for key, one in pairs}
    if name == "format dates":
        return re.sub(r"[0-9]", "0", line)
    if name == "format usual":
        line = re.sub(r"^\[.*?\]", "", line)
        line = re.sub(r'"[0-9a-f]{8}-[0-9a-f-]+"', "", line)
        return re.sub(r'(" \d+ \S+ \d+ \d+) \d+ (\d+|-) ', r"\1 ", line)
    return line


@pytest.mark.parametrize("name", [f"format {name}" for name in FORMATS])
def test_a_format_gives_the_lines_that_envoy_writes(world: World, name: str) -> None:
    got, _ = simulate(world)
    assert len(world.lines[name]) >= len(CASES)

    differing: list[tuple[str, Any]] = []
    for case, mine, real in zip(CASES, got[name], world.lines[name], strict=True):
        simulated, wanted = comparable(name, mine), comparable(name, real)
        if simulated != wanted and isinstance(wanted, dict):
            keys = [key for key in wanted if simulated.get(key) != wanted[key]]
            keys += [key for key in simulated if key not in wanted]
            found = {key: (simulated.get(key, "ABSENT"), wanted.get(key, "ABSENT")) for key in keys}
            differing.append((case.id, found))
        elif simulated != wanted:
            differing.append((case.id, (simulated, wanted)))
    assert not differing, "simulated, then real:\n" + "\n".join(map(str, differing))


@pytest.mark.parametrize("name", list(FILTERS))
def test_a_filter_keeps_out_what_envoy_keeps_out(world: World, name: str) -> None:
    got, _ = simulate(world)
    volatile = {"sampled-by-id"}
    known = {case.id for case in CASES if name not in volatile or "x-request-id" in case.headers}

    mine = [line.strip() for line in got.get(f"filter {name}", []) if line.strip() in known]
    real = [line.strip() for line in world.lines[f"filter {name}"] if line.strip() in known]

    assert mine == real


def test_a_learner_is_shown_each_line_and_what_is_kept_out(world: World) -> None:
    _, told = simulate(world)
    lines = {each.name.rpartition("/")[2]: each for each in told[0]}

    assert lines["format old-text"].outcome is Outcome.NOTE
    assert lines["format old-text"].reason == "200 -"
    assert lines["filter status-at-least"].outcome is Outcome.REJECTED
