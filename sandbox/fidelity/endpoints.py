"""The endpoints behind the proxy: they do as they are told, and remember what reached them."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

SILENCE_S = 0.4
"""How long an endpoint that hangs does so before it closes the connection."""
SHADOW = "-shadow"
"""What Envoy adds to the host of a copy."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """One request as it reached an endpoint."""

    port: int
    line: str
    headers: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Endpoints:
    """Servers on loopback ports, and one port that refuses."""

    case: str
    """The header that tells requests apart."""
    ports: tuple[int, ...] = ()
    refusing: int = 0
    scripts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What to do with each attempt, by case; see `Ask.script`."""
    arrived: dict[str, list[Arrived]] = field(default_factory=dict)
    """By case, in order."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        port = writer.get_extra_info("sockname")[1]
        try:
            while True:
                line, headers = head(await reader.readuntil(b"\r\n\r\n"))
                told = dict(headers)
                await reader.readexactly(int(told.get("content-length", "0")))
                if told.get("transfer-encoding") == "chunked":
                    await reader.readuntil(b"0\r\n\r\n")
                step = self._step(told, Arrived(port, line, tuple(headers)))
                if step == "hang":
                    await asyncio.sleep(SILENCE_S)
                if step in ("hang", "close"):
                    break
                writer.write(b"nonsense\r\n\r\n" if step == "garbage" else answer(step))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        writer.close()

    def _step(self, told: Mapping[str, str], arrived: Arrived) -> str:
        case = told.get(self.case, "")
        if told.get("host", "").split(":")[0].endswith(SHADOW):
            return "200"
        before = self.arrived.setdefault(case, [])
        before.append(arrived)
        script = self.scripts.get(case, ("200",))
        return script[min(len(before), len(script)) - 1]


def said(step: str) -> tuple[int, tuple[tuple[str, str], ...]]:
    """Return the status and the headers of a step that answers."""
    status, *extra = step.split("+")
    return int(status), tuple((name, value) for name, _, value in (e.partition(":") for e in extra))


def answer(step: str) -> bytes:
    """Return the response of a step, as it is sent."""
    status, extra = said(step)
    lines = [f"HTTP/1.1 {status} X", "content-length: 0"]
    lines += [f"{name}: {value}" for name, value in extra]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def head(data: bytes) -> tuple[str, list[tuple[str, str]]]:
    """Return the first line and the headers of a message; the names are lower-case."""
    line, *rest = data.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    pairs = [each.partition(":") for each in rest]
    return line, [(name.lower(), value.strip(" ")) for name, _, value in pairs]


@contextmanager
def endpoints(count: int, case: str) -> Iterator[Endpoints]:
    """Run so many servers until the block ends."""
    loop = asyncio.new_event_loop()
    found = Endpoints(case)
    servers = [
        loop.run_until_complete(asyncio.start_server(found.serve, "127.0.0.1", 0))
        for _ in range(count)
    ]
    found.ports = tuple(each.sockets[0].getsockname()[1] for each in servers)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    with socket.socket() as bound:
        # Bound, so that nobody else gets it; it does not listen.
        bound.bind(("127.0.0.1", 0))
        found.refusing = bound.getsockname()[1]
        thread.start()
        try:
            yield found
        finally:
            asyncio.run_coroutine_threadsafe(_end(servers), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


async def _end(servers: Sequence[asyncio.Server]) -> None:
    """Listen no more, and cancel what is under way."""
    for each in servers:
        each.close()
    current = asyncio.current_task()
    under_way = [task for task in asyncio.all_tasks() if task is not current]
    for task in under_way:
        task.cancel()
    await asyncio.gather(*under_way, return_exceptions=True)
