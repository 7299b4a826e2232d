"""One real Envoy that is given table after table, and asked with request after request.

Its listeners stay; their route tables are read from files, which are replaced for each
round. Behind it stands a server that answers with what reached it.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import rundir
from sandbox.drivers import admin
from sandbox.drivers.children import Child, Children
from sandbox.drivers.envoy_binary import locate
from sandbox.errors import Refused, StartTimeout
from sandbox.fidelity.generate import CLUSTERS, Ask, Json

_START_S = 20.0
_UPDATE_S = 10.0
_ANSWER_S = 10.0
_HCM = (
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3."
    "HttpConnectionManager"
)
_ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
_TABLE = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
_LOG = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
LOGGED = {
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "cluster": "%UPSTREAM_CLUSTER_RAW%",
    "route": "%ROUTE_NAME%",
}
CASE = "x-case"
"""The header that tells one request from another; it goes through everything."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one request came to."""

    status: int
    headers: tuple[tuple[str, str], ...]
    """Of the response, sorted."""
    sent: Json | None
    """The request as it reached the server behind; absent if none did."""
    log: Json
    """The access log's line."""


def listener(name: str) -> Json:
    """Return a listener whose table is told apart from it."""
    manager: Json = {
        "@type": _HCM,
        "stat_prefix": name,
        "http_filters": [{"name": "router", "typed_config": {"@type": _ROUTER}}],
        "rds": {"route_config_name": name, "config_source": {}},
    }
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    chain = {"filters": [{"name": "hcm", "typed_config": manager}]}
    return {"name": name, "address": address, "filter_chains": [chain]}


def clusters(port: int) -> list[Json]:
    """Return the clusters that tables name, all of one endpoint."""
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    return [
        {
            "name": name,
            "type": "STATIC",
            "connect_timeout": "5s",
            "load_assignment": {"cluster_name": name, "endpoints": endpoints},
        }
        for name in CLUSTERS
    ]


class Plane:
    """The running Envoy."""

    def __init__(
        self, folder: Path, children: Children, ports: Sequence[int], upstream: int
    ) -> None:
        self._folder = folder
        self._children = children
        self._ports = ports
        self._offset = 0
        self.upstream_port = upstream
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def update(self, tables: Sequence[Json]) -> frozenset[int]:
        """Give each listener its table, in order; return the numbers of those it refused.

        Raises StartTimeout if the tables do not arrive.
        """
        before = self._counts()
        for at, table in enumerate(tables):
            resource = {"@type": _TABLE, **table, "name": f"l{at}"}
            _replace(self._folder / f"rds{at}.json", json.dumps({"resources": [resource]}))
        deadline = time.monotonic() + _UPDATE_S
        while time.monotonic() < deadline:
            self._children.hear(0.005)
            counts = self._counts()
            if all(sum(counts[at]) > sum(before[at]) for at in range(len(tables))):
                return frozenset(at for at in range(len(tables)) if counts[at][1] > before[at][1])
        raise StartTimeout(f"the route tables did not arrive in {_UPDATE_S} s")

    def ask(self, asks: Sequence[tuple[int, Ask]]) -> list[Seen]:
        """Send requests, each to a listener of a number, and return what they came to."""
        future: Future[list[tuple[int, tuple[tuple[str, str], ...], Json | None]]] = (
            asyncio.run_coroutine_threadsafe(self._all(asks), self._loop)
        )
        answers = future.result()
        logs = self._logs(len(asks))
        return [
            Seen(status, headers, sent, logs[str(number)])
            for number, (status, headers, sent) in enumerate(answers)
        ]

    def _counts(self) -> list[tuple[int, int]]:
        """Return how many tables each listener has taken, and how many it has refused."""
        _, stats = admin.ask(
            self._folder / "admin.sock", "/stats?filter=rds.*update_(success|rejected)"
        )
        values = dict(line.split(": ") for line in stats.splitlines() if ": " in line)
        return [
            (int(values[f"{name}.update_success"]), int(values[f"{name}.update_rejected"]))
            for name in (f"http.l{at}.rds.l{at}" for at in range(len(self._ports)))
        ]

    def close(self) -> None:
        """Stop the clients."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _all(self, asks: Sequence[tuple[int, Ask]]) -> list[Any]:
        by_listener: dict[int, list[tuple[int, Ask]]] = {}
        for number, (at, ask) in enumerate(asks):
            by_listener.setdefault(at, []).append((number, ask))
        found: dict[int, Any] = {}

        async def one(at: int, mine: list[tuple[int, Ask]]) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._ports[at])
            for number, ask in mine:
                writer.write(_wire(number, ask))
                status, headers, body = await asyncio.wait_for(
                    _response(reader, ask.method), _ANSWER_S
                )
                found[number] = (status, tuple(sorted(headers)), _echo(headers, body))
                if ("connection", "close") in headers:
                    writer.close()
                    reader, writer = await asyncio.open_connection("127.0.0.1", self._ports[at])
            writer.close()

        await asyncio.gather(*(one(at, mine) for at, mine in by_listener.items()))
        return [found[number] for number in range(len(asks))]

    def _logs(self, count: int) -> dict[str, Json]:
        """Return the access log's lines of this round, by case."""
        path = self._folder / "access.log"
        found: dict[str, Json] = {}
        deadline = time.monotonic() + _UPDATE_S
        while len(found) < count:
            with path.open() as file:
                file.seek(self._offset)
                lines = file.read().splitlines(keepends=True)
            for line in lines:
                if not line.endswith("\n"):
                    break
                entry = json.loads(line)
                found[entry["case"]] = entry
                self._offset += len(line.encode())
            if len(found) < count:
                if time.monotonic() > deadline:
                    raise StartTimeout(f"the access log lacks {count - len(found)} requests")
                self._children.hear(0.005)
        return found


@contextmanager
def plane(listeners: int) -> Iterator[Plane]:
    """Run an Envoy of so many listeners until the block ends.

    Raises EngineMissing, StartTimeout, ProcessDied.
    """
    binary = locate()
    folder, entry = rundir.create(seconds=3600.0, scenario="fidelity")
    (folder / "logs").mkdir(exist_ok=True)
    with _echo_server() as upstream:
        config = folder / "envoy.json"
        config.write_text(json.dumps(_bootstrap(folder, listeners, upstream)))
        for at in range(listeners):
            (folder / f"rds{at}.json").write_text(json.dumps({"resources": []}))
        argv = (str(binary), "-c", str(config), "--concurrency", "1", "--use-dynamic-base-id",
                "--disable-hot-restart", "--file-flush-interval-msec", "5", "-l", "warn",
                )  # fmt: skip
        children = Children(folder, [Child(name="envoy", argv=argv, log="logs/envoy.log")], 3600.0)
        running: Plane | None = None
        try:
            ports = _ports(folder, children, listeners)
            running = Plane(folder, children, ports, upstream)
            yield running
        finally:
            if running is not None:
                running.close()
            children.stop(keep_logs=False)
            shutil.rmtree(folder, ignore_errors=True)
            del entry


def _bootstrap(folder: Path, count: int, upstream: int) -> Json:
    listeners = [listener(f"l{at}") for at in range(count)]
    log = {
        "@type": _LOG,
        "path": str(folder / "access.log"),
        "log_format": {"json_format": {"case": f"%REQ({CASE})%", **LOGGED}},
    }
    for at, each in enumerate(listeners):
        source = {"path_config_source": {"path": str(folder / f"rds{at}.json")}}
        manager = each["filter_chains"][0]["filters"][0]["typed_config"]
        manager["rds"]["config_source"] = source
        manager["access_log"] = [{"name": "file", "typed_config": log}]
    return {
        "node": {"id": "fidelity", "cluster": "fidelity"},
        "admin": {"address": {"pipe": {"path": str(folder / "admin.sock")}}},
        "static_resources": {"listeners": listeners, "clusters": clusters(upstream)},
    }


def _ports(folder: Path, children: Children, count: int) -> list[int]:
    """Return the listeners' ports, once they listen."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        children.hear(0.02)
        try:
            status, text = admin.ask(folder / "admin.sock", "/listeners?format=json")
        except OSError:
            continue
        if status != 200:
            raise Refused(text)
        found = {
            each["name"]: int(each["local_address"]["socket_address"]["port_value"])
            for each in json.loads(text).get("listener_statuses", ())
        }
        if len(found) == count and admin.serves(folder / "admin.sock"):
            return [found[f"l{at}"] for at in range(count)]
    raise StartTimeout(f"Envoy's {count} listeners did not open in {_START_S} s")


def _replace(path: Path, text: str) -> None:
    """Write a file so that Envoy sees it move into its place."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


def _wire(number: int, ask: Ask) -> bytes:
    lines = [f"{ask.method} {ask.path} HTTP/1.1", f"host: {ask.host}", f"{CASE}: {number}"]
    lines += [f"{name}: {value}" for name, value in ask.headers]
    if ask.method in ("POST", "PUT"):
        lines.append("content-length: 0")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _head(data: bytes) -> tuple[str, list[tuple[str, str]]]:
    """Return the first line and the headers of a message; the names are lower-case."""
    line, *rest = data.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    pairs = [each.partition(":") for each in rest]
    return line, [(name.lower(), value.strip(" ")) for name, _, value in pairs]


async def _response(
    reader: asyncio.StreamReader, method: str
) -> tuple[int, list[tuple[str, str]], bytes]:
    line, headers = _head(await reader.readuntil(b"\r\n\r\n"))
    status = int(line.split()[1])
    length = next((int(value) for name, value in headers if name == "content-length"), 0)
    body = b"" if method == "HEAD" or status == 204 else await reader.readexactly(length)
    return status, headers, body


def _echo(headers: list[tuple[str, str]], body: bytes) -> Json | None:
    for name, value in headers:
        if name == "x-echo":
            told: Json = json.loads(bytes.fromhex(value))
            return told
    del body
    return None


@contextmanager
def _echo_server() -> Iterator[int]:
    """Run a server that tells, in a header of its answer, what reached it."""
    loop = asyncio.new_event_loop()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                line, headers = _head(await reader.readuntil(b"\r\n\r\n"))
                told = json.dumps({"line": line, "headers": headers}).encode().hex()
                answer = f"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-echo: {told}\r\n\r\n"
                writer.write(answer.encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0))
    port: int = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
