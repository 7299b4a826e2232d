"""A real Envoy before a scripted backend, and what both saw of each request."""

from __future__ import annotations

import asyncio
import http.client
import json
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from simulator.envoy_api.extract import locate_binary

_PATIENCE_S = 10.0

LOG_FIELDS = {
    "case": "%REQ(X-CASE)%",
    "status": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "cluster": "%UPSTREAM_CLUSTER%",
    "host": "%UPSTREAM_HOST%",
    "route": "%ROUTE_NAME%",
    "hosts": "%UPSTREAM_HOSTS_ATTEMPTED%",
    "duration": "%DURATION%",
}


class Backend:
    """Listens on loopback and does what the request's `x-script` says, step by attempt.

    Steps are separated by commas and told by the port's letter where they differ:
    a status (`503`, `200+name:value` with a header), `close` (the connection is closed
    after the request was read), `hang` (no answer).
    """

    def __init__(self, ports: int, script: str = "x-script", *, counting: bool = False) -> None:
        """`script` is the header that tells what to do.

        `counting`: its steps are for the requests of a case, not for the attempts of one.
        """
        self._script = script
        self._counting = counting
        self.ports: list[int] = []
        self.seen: dict[str, list[dict[str, Any]]] = {}
        """By case: the requests as they arrived, in order."""
        self._wanted = ports
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(_PATIENCE_S), "the backend listens"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        servers = [
            self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
            for _ in range(self._wanted)
        ]
        self.ports = [server.sockets[0].getsockname()[1] for server in servers]
        self._ready.set()
        self._loop.run_forever()
        for server in servers:
            server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = writer.get_extra_info("sockname")[1]
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                line, *lines = head.strip().split("\r\n")
                pairs = [
                    (name, value) for name, _, value in (each.partition(": ") for each in lines)
                ]
                headers = dict(pairs)
                await reader.readexactly(int(headers.get("content-length", "0")))
                self.seen.setdefault(headers.get("x-case", ""), []).append(
                    {"line": line, "headers": pairs, "port": port}
                )
                seen = self.seen[headers.get("x-case", "")]
                attempt = len(seen) if self._counting else None
                step = script_step(headers, self._script, attempt)
                if step == "hang":
                    await asyncio.sleep(_PATIENCE_S)
                    return
                if step == "close":
                    return
                writer.write(encode(step))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


def script_step(
    headers: Mapping[str, str], script: str = "x-script", attempt: int | None = None
) -> str:
    """Return what the backend does with an attempt, by its number."""
    steps = headers.get(script, "200").split(",")
    if attempt is None:
        attempt = int(headers.get("x-envoy-attempt-count", "1"))
    return steps[min(attempt, len(steps)) - 1]


def step_headers(step: str) -> tuple[int, list[tuple[str, str]]]:
    """Return the status and the headers that a step answers with."""
    status, *extra = step.split("+")
    return int(status), [(name, value) for name, _, value in (e.partition(":") for e in extra)]


def encode(step: str) -> bytes:
    """Return the response of a step, as sent."""
    status, extra = step_headers(step)
    lines = [f"HTTP/1.1 {status} X", "content-length: 2", "server: backend"]
    lines += [f"{name}: {value}" for name, value in extra]
    return ("\r\n".join(lines) + "\r\n\r\nok").encode()


@dataclass
class Answer:
    """What the client got, and what the access log said."""

    status: int
    headers: dict[str, str]
    body: str
    log: dict[str, Any] = field(default_factory=dict)


class Envoy:
    """A running Envoy and its access log."""

    def __init__(self, ports: dict[str, int], log: Path) -> None:
        self.ports = ports
        """By listener."""
        self._log = log

    def ask(
        self,
        case: str,
        path: str,
        headers: Mapping[str, str],
        *,
        listener: str = "main",
        host: str = "test",
        method: str = "GET",
    ) -> Answer:
        """Send one request on a connection of its own."""
        client = http.client.HTTPConnection("127.0.0.1", self.ports[listener], timeout=_PATIENCE_S)
        client.request(method, path, headers={"host": host, "x-case": case, **headers})
        response = client.getresponse()
        body = response.read().decode()
        client.close()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, body)

    def logged(self, cases: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return the access log's lines of the cases, once all of them are there."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            lines = self._log.read_text().splitlines() if self._log.exists() else []
            found = {entry["case"]: entry for entry in map(json.loads, lines)}
            missing = [case for case in cases if case not in found]
            if not missing:
                return found
            assert time.monotonic() < deadline, f"the access log lacks {missing[:3]}"
            threading.Event().wait(0.01)


def http_listener(name: str, route_config: dict[str, Any], filters: list[Any]) -> dict[str, Any]:
    """Return a listener on a free loopback port, in Envoy's JSON form."""
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
        },
    }
    hcm = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network."
        "http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "route_config": route_config,
        "http_filters": [*filters, router],
    }
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    chain = {"filters": [{"name": "hcm", "typed_config": hcm}]}
    return {"name": name, "address": address, "filter_chains": [chain]}


def with_access_log(listener: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return a listener that also writes its access log."""
    copy: dict[str, Any] = json.loads(json.dumps(listener))
    log = {
        "name": "file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": str(path),
            "log_format": {"json_format": LOG_FIELDS},
        },
    }
    copy["filter_chains"][0]["filters"][0]["typed_config"]["access_log"] = [log]
    return copy


@contextmanager
def running(
    listeners: Sequence[dict[str, Any]],
    clusters: Sequence[dict[str, Any]],
    folder: Path,
    *,
    logged: bool = True,
    more: Mapping[str, Any] | None = None,
) -> Iterator[Envoy]:
    """Run an Envoy with static resources until the block ends.

    `logged`: all listeners are HTTP; `more` belongs to its bootstrap.
    """
    log = folder / "access.log"
    bootstrap = {
        **(more or {}),
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "static_resources": {
            "listeners": [with_access_log(each, log) for each in listeners]
            if logged
            else listeners,
            "clusters": list(clusters),
        },
    }
    config = folder / "bootstrap.json"
    config.write_text(json.dumps(bootstrap))
    address = folder / "admin"
    command = [
        str(locate_binary()),
        *("-c", str(config), "--admin-address-path", str(address)),
        *("--concurrency", "1", "--disable-hot-restart", "--use-dynamic-base-id"),
        *("--file-flush-interval-msec", "10", "-l", "warn"),
    ]
    with (folder / "envoy.log").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            ports = _ports(process, address, folder / "envoy.log")
            yield Envoy(ports, log)
        finally:
            process.terminate()
            process.wait(_PATIENCE_S)


def _ports(process: subprocess.Popen[bytes], address: Path, log: Path) -> dict[str, int]:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        if address.exists() and address.read_text():
            try:
                return _listening(*address.read_text().rsplit(":", 1))
            except (OSError, http.client.HTTPException):
                pass
        threading.Event().wait(0.01)
    said = [line for line in log.read_text().splitlines() if "backtrace" not in line]
    raise AssertionError("\n".join(said[-20:]))


def _listening(host: str, port: str) -> dict[str, int]:
    """Return the listeners' ports; raises OSError as long as Envoy is not ready."""
    client = http.client.HTTPConnection(host, int(port), timeout=_PATIENCE_S)
    try:
        client.request("GET", "/ready")
        ready = client.getresponse()
        ready.read()
        if ready.status != 200:
            raise ConnectionError(ready.reason)
        client.request("GET", "/listeners?format=json")
        listed = json.loads(client.getresponse().read())
    finally:
        client.close()
    return {
        each["name"]: each["local_address"]["socket_address"]["port_value"]
        for each in listed["listener_statuses"]
    }
