"""One real Envoy that is given listener after listener, and asked with request after request.

Its clusters stay; its listeners are read from a file, which is replaced for each round, and
have new names each time.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from sandbox import rundir
from sandbox.drivers import admin
from sandbox.drivers.children import Child, Children
from sandbox.drivers.envoy_binary import locate
from sandbox.errors import StartTimeout
from sandbox.fidelity.endpoints import Arrived, Endpoints, endpoints, head
from sandbox.fidelity.generate.case import (
    CLUSTERS,
    FULL,
    HASHING,
    LOOPBACK,
    NAMED,
    PORT,
    REFUSING,
    Ask,
    Batch,
    Dial,
    Json,
    is_http,
    the_manager,
)

_START_S = 20.0
_UPDATE_S = 10.0
_ANSWER_S = 10.0
_ENDPOINTS = 5
_LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
_LOG = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
CASE = "x-case"
"""The header that tells one request from another; it goes through everything."""
LOGGED = {
    "case": f"%REQ({CASE})%",
    "port": "%DOWNSTREAM_REMOTE_PORT%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "cluster": "%UPSTREAM_CLUSTER_RAW%",
    "route": "%ROUTE_NAME%",
    "vhost": "%CEL(xds.virtual_host_name)%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "hosts": "%UPSTREAM_HOSTS_ATTEMPTED%",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What one request came to."""

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    """Of the response."""
    arrived: tuple[Arrived, ...] = ()
    """Each attempt as it reached an endpoint."""
    log: Json | None = None
    """The access log's line."""
    said: str = ""
    """What a connection of which only the first bytes were sent was told."""
    source_port: int = 0
    """The client's."""


@dataclass(frozen=True, slots=True)
class Fed:
    """A listener as the real Envoy has it."""

    name: str
    address: str
    port: int


def clusters(ports: Sequence[int], refusing: int) -> list[Json]:
    """Return the clusters that tables name."""
    one = [_cluster(name, [port]) for name, port in zip(CLUSTERS, ports, strict=False)]
    ring, maglev = (_cluster(name, ports) for name in HASHING)
    return [
        *one,
        ring | {"lb_policy": "RING_HASH", "ring_hash_lb_config": {"minimum_ring_size": 64}},
        maglev | {"lb_policy": "MAGLEV", "maglev_lb_config": {"table_size": 251}},
        _cluster(REFUSING, [refusing]),
        _cluster(FULL, ports[:1], max_requests=0),
        _cluster(NAMED, ports[:1], hostname="named.host"),
    ]


def _cluster(name: str, ports: Sequence[int], hostname: str = "", **urgent: int) -> Json:
    """Return a cluster, and what bounds its requests of high priority."""
    endpoints_ = [
        {
            "endpoint": {
                "address": {"socket_address": {"address": LOOPBACK, "port_value": port}},
                "hostname": hostname,
            }
        }
        for port in ports
    ]
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints_}]},
        # Listeners are asked at the same time, and are not to see each other's retries.
        "circuit_breakers": {
            "thresholds": [
                {"priority": "DEFAULT", "max_retries": 1000},
                {"priority": "HIGH", "max_retries": 1000, **urgent},
            ]
        },
    }


class Plane:
    """The running Envoy."""

    def __init__(self, folder: Path, children: Children, behind: Endpoints) -> None:
        self._folder = folder
        self._admin = folder / "admin.sock"
        self._children = children
        self._behind = behind
        self._rounds = 0
        self._offset = 0
        # Held, so that no other plane has the same port.
        self._port = socket.socket()
        self._port.bind((LOOPBACK, 0))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    @property
    def clusters(self) -> list[Json]:
        """Return the clusters, in Envoy's JSON form."""
        return clusters(self._behind.ports, self._behind.refusing)

    def update(self, batches: Sequence[Batch]) -> list[tuple[Fed, Json] | str]:
        """Have these listeners and no others; return each as it is, or why it was refused.

        Raises StartTimeout if they do not arrive.
        """
        self._rounds += 1
        version = str(self._rounds)
        given = [
            _placed(each.listener, f"l{version}-{at}", self._address(at))
            for at, each in enumerate(batches)
        ]
        log = self._folder / "access.log"
        resources = [{"@type": _LISTENER, **_logged(each, log)} for each in given]
        listed = {"version_info": version, "resources": resources}
        _replace(self._folder / "lds.json", json.dumps(listed))
        deadline = time.monotonic() + _UPDATE_S
        reasons: dict[str, str] = {}
        while not (self._taken(version) or (reasons := self._reasons(f"l{version}-"))):
            if time.monotonic() > deadline:
                raise StartTimeout(f"the listeners did not arrive in {_UPDATE_S} s")
            self._children.hear(0.005)
        there = self._listening()
        return [
            (_fed(each), each) if each["name"] in there else reasons.get(each["name"], "refused")
            for each in given
        ]

    def ask(self, fed: Sequence[Fed], asks: Sequence[Sequence[Ask | Dial]]) -> list[list[Seen]]:
        """Ask each listener its questions in order; return what they came to."""
        scripts = {
            f"{one.name}.{number}": each.script
            for one, mine in zip(fed, asks, strict=True)
            for number, each in enumerate(mine)
            if isinstance(each, Ask)
        }
        self._behind.scripts, self._behind.arrived = scripts, {}
        future: Future[list[list[Seen]]] = asyncio.run_coroutine_threadsafe(
            self._all(fed, asks), self._loop
        )
        found = future.result()
        ports = {
            f"{one.name}.{number}": each.source_port
            for one, mine in zip(fed, found, strict=True)
            for number, each in enumerate(mine)
        }
        logs = self._logs({case: ports[case] for case in scripts})
        arrived = self._behind.arrived
        return [
            [
                replace(each, log=logs[case], arrived=tuple(arrived.get(case, ())))
                if (case := f"{one.name}.{number}") in scripts
                else each
                for number, each in enumerate(mine)
            ]
            for one, mine in zip(fed, found, strict=True)
        ]

    def close(self) -> None:
        """Stop the clients."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._port.close()

    def _address(self, at: int) -> tuple[str, int]:
        """Return a new address; at an old one Envoy may go on with the socket that it drains."""
        return f"127.10.{self._rounds % 250}.{at + 1}", self._port.getsockname()[1]

    def _taken(self, version: str) -> bool:
        """Say whether a set of listeners was taken as a whole."""
        name = "listener_manager.lds.version_text"
        _, text = admin.ask(self._admin, f"/stats?filter={name}")
        return f'{name}: "{version}"' in text

    def _listening(self) -> frozenset[str]:
        _, text = admin.ask(self._admin, "/listeners?format=json")
        return frozenset(each["name"] for each in json.loads(text).get("listener_statuses", ()))

    def _reasons(self, prefix: str) -> dict[str, str]:
        """Return why listeners were refused whose names begin so."""
        _, text = admin.ask(self._admin, "/config_dump?resource=dynamic_listeners")
        found = (each.get("error_state", {}) for each in json.loads(text).get("configs", ()))
        reasons = {
            str(each.get("failed_configuration", {}).get("name")): str(each.get("details"))
            for each in found
        }
        return {name: why for name, why in reasons.items() if name.startswith(prefix)}

    async def _all(
        self, fed: Sequence[Fed], asks: Sequence[Sequence[Ask | Dial]]
    ) -> list[list[Seen]]:
        return list(
            await asyncio.gather(*(_one(each, mine) for each, mine in zip(fed, asks, strict=True)))
        )

    def _logs(self, wanted: dict[str, int]) -> dict[str, Json]:
        """Return the access log's lines of this round, by case.

        What the codec refused has no header to tell it; it is its connection's last request.
        """
        found: dict[str, Json] = {}
        nameless: dict[int, Json] = {}
        deadline = time.monotonic() + _UPDATE_S
        while len(found) < len(wanted):
            for entry in self._lines():
                if entry["case"] is None:
                    nameless[entry["port"]] = entry
                elif entry["case"] in wanted:
                    found[entry["case"]] = entry
            for case, port in wanted.items() if nameless else ():
                if case not in found and port in nameless:
                    found[case] = nameless[port]
            if len(found) < len(wanted):
                if time.monotonic() > deadline:
                    missing = [case for case in wanted if case not in found]
                    raise StartTimeout(f"the access log lacks {missing[:5]}")
                self._children.hear(0.005)
        return found

    def _lines(self) -> Iterator[Json]:
        """Yield the access log's lines that are new and whole."""
        path = self._folder / "access.log"
        if not path.exists():
            return
        with path.open() as file:
            file.seek(self._offset)
            lines = file.read().splitlines(keepends=True)
        for line in lines:
            if not line.endswith("\n"):
                return
            self._offset += len(line.encode())
            yield json.loads(line)


def _placed(listener: Json, name: str, where: tuple[str, int]) -> Json:
    """Return a listener with a name and an address."""
    address, port = where
    if not is_http(listener):
        # Chains may ask for the port, so it is chosen here; clients dial many addresses.
        with socket.socket() as free:
            free.bind(("0.0.0.0", 0))
            port = free.getsockname()[1]
        address = "0.0.0.0"
        listener = json.loads(json.dumps(listener).replace(f'": {PORT}', f'": {port}'))
    socket_address = {"address": address, "port_value": port}
    return {"name": name, "address": {"socket_address": socket_address}, **listener}


def _fed(listener: Json) -> Fed:
    where = listener["address"]["socket_address"]
    return Fed(str(listener["name"]), str(where["address"]), int(where["port_value"]))


def _logged(listener: Json, path: Path) -> Json:
    """Return a listener that also writes an access log."""
    if not is_http(listener):
        return listener
    copy: Json = json.loads(json.dumps(listener))
    log = {
        "@type": _LOG,
        "path": str(path),
        "log_format": {"json_format": LOGGED},
    }
    the_manager(copy)["access_log"] = [{"name": "file", "typed_config": log}]
    return copy


async def _one(fed: Fed, mine: Sequence[Ask | Dial]) -> list[Seen]:
    """Ask one listener its questions, one after the other."""
    found: list[Seen] = []
    client: _Client | None = None
    for number, each in enumerate(mine):
        if isinstance(each, Dial):
            found.append(await _dialled(fed, each))
            continue
        if client is None:
            client = await _Client.open(fed, each.source)
        seen = await client.ask(f"{fed.name}.{number}", each)
        found.append(seen)
        if seen.status == 0 or ("connection", "close") in seen.headers:
            client.close()
            client = None
    if client is not None:
        client.close()
    return found


class _Client:
    """A connection that speaks HTTP/1.1."""

    def __init__(
        self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._port = port
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, fed: Fed, source: str) -> _Client:
        where = (fed.address, fed.port)
        return cls(fed.port, *await asyncio.open_connection(*where, local_addr=(source, 0)))

    def close(self) -> None:
        self._writer.close()

    async def ask(self, case: str, ask: Ask) -> Seen:
        self._writer.write(_wire(case, ask, self._port))
        port = int(self._writer.get_extra_info("sockname")[1])
        try:
            status, headers = await asyncio.wait_for(_response(self._reader, ask.method), _ANSWER_S)
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            return Seen(source_port=port)
        return Seen(status=status, headers=tuple(headers), source_port=port)


async def _dialled(fed: Fed, dial: Dial) -> Seen:
    """Send the first bytes of a connection, and return what it is told."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    client.bind((dial.source, dial.source_port))
    client.setblocking(False)  # noqa: FBT003 - the socket's own signature
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, (dial.address, fed.port))
    port = client.getsockname()[1]
    reader, writer = await asyncio.open_connection(sock=client)
    try:
        writer.write(_hello(dial) if dial.tls else b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        told = await asyncio.wait_for(reader.read(), _ANSWER_S)
    except ConnectionError:
        told = b""
    finally:
        writer.close()
    return Seen(said=told.decode("latin-1"), source_port=port)


def _hello(dial: Dial) -> bytes:
    """Return the ClientHello of a connection."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if dial.alpn:
        context.set_alpn_protocols(list(dial.alpn))
    out = ssl.MemoryBIO()
    session = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=dial.sni or None)
    with suppress(ssl.SSLWantReadError):
        session.do_handshake()
    return out.read()


@contextmanager
def plane() -> Iterator[Plane]:
    """Run an Envoy without listeners until the block ends.

    Raises EngineMissing, StartTimeout, ProcessDied.
    """
    binary = locate()
    folder, entry = rundir.create(seconds=3600.0, scenario="fidelity")
    (folder / "logs").mkdir(exist_ok=True)
    with endpoints(_ENDPOINTS, CASE) as behind:
        config = folder / "envoy.json"
        config.write_text(json.dumps(_bootstrap(folder, behind)))
        (folder / "lds.json").write_text(json.dumps({"resources": []}))
        argv = (str(binary), "-c", str(config), "--concurrency", "1", "--use-dynamic-base-id",
                "--disable-hot-restart", "--file-flush-interval-msec", "5", "-l", "off",
                "--drain-time-s", "1")  # fmt: skip
        children = Children(folder, [Child(name="envoy", argv=argv, log="logs/envoy.log")], 3600.0)
        running: Plane | None = None
        try:
            _wait(folder, children)
            running = Plane(folder, children, behind)
            yield running
        finally:
            if running is not None:
                running.close()
            children.stop(keep_logs=False)
            shutil.rmtree(folder, ignore_errors=True)
            del entry


def _bootstrap(folder: Path, behind: Endpoints) -> Json:
    source = {"path_config_source": {"path": str(folder / "lds.json")}}
    return {
        "node": {"id": "fidelity", "cluster": "fidelity"},
        "admin": {"address": {"pipe": {"path": str(folder / "admin.sock")}}},
        "dynamic_resources": {"lds_config": source},
        "static_resources": {"clusters": clusters(behind.ports, behind.refusing)},
    }


def _wait(folder: Path, children: Children) -> None:
    """Wait until Envoy serves."""
    deadline = time.monotonic() + _START_S
    while not admin.serves(folder / "admin.sock"):
        children.hear(0.02)
        if time.monotonic() > deadline:
            raise StartTimeout(f"Envoy did not start in {_START_S} s")


def _replace(path: Path, text: str) -> None:
    """Write a file so that Envoy sees it move into its place."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


def _wire(case: str, ask: Ask, port: int) -> bytes:
    host = ask.host_at(port)
    lines = [f"{ask.method} {ask.path} HTTP/1.1", f"host: {host}", f"{CASE}: {case}"]
    lines += [f"{name}: {value}" for name, value in ask.headers]
    if ask.method in ("POST", "PUT"):
        lines.append(f"content-length: {ask.body}")
    return ("\r\n".join(lines) + "\r\n\r\n" + "b" * ask.body).encode("latin-1")


async def _response(reader: asyncio.StreamReader, method: str) -> tuple[int, list[tuple[str, str]]]:
    line, headers = head(await reader.readuntil(b"\r\n\r\n"))
    status = int(line.split()[1])
    length = next((int(value) for name, value in headers if name == "content-length"), 0)
    if method != "HEAD" and status not in (http.client.NO_CONTENT, http.client.NOT_MODIFIED):
        await reader.readexactly(length)
    return status, headers
