"""Serve one pod: its ports, and the socket on which it takes commands."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web
from h2.exceptions import ProtocolError

from sandbox.workload import control, http2
from sandbox.workload.server import Workload

_IDLE_S = 3600
"""Longer than any sandbox lives: an idle connection is never closed under a proxy's feet."""


async def run(told: dict[str, Any], ready: Callable[[str | None], None]) -> None:
    """Serve one pod until cancelled; call `ready(None)`, or `ready(reason)` if it cannot."""
    with Path(told["witness"]).open("a") as witness:
        workload = Workload(told, witness)
        http1 = web.Server(workload.serve, access_log=None, keepalive_timeout=_IDLE_S)
        loop = asyncio.get_running_loop()
        try:
            for host, port in told["listen"]:
                try:
                    await loop.create_server(lambda: _Either(http1, workload), host, port)
                except OSError as error:
                    ready(f"{host}:{port}: {error.strerror}")
                    return
            async with await control.serve(told["control"], workload):
                ready(None)
                await asyncio.Event().wait()
        finally:
            await workload.close()


class _Either(asyncio.Protocol):
    """A connection whose first bytes tell which HTTP it speaks, and who serves it then."""

    def __init__(self, http1: web.Server, workload: Workload) -> None:
        self._http1 = http1
        self._workload = workload
        self._seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._seen += data
        if len(self._seen) < len(http2.PREFACE) and http2.PREFACE.startswith(self._seen):
            return
        loop = asyncio.get_running_loop()
        chosen: asyncio.Protocol = self._http1()
        if self._seen.startswith(http2.PREFACE):
            chosen = asyncio.StreamReaderProtocol(asyncio.StreamReader(loop=loop), self._serve)
        self._transport.set_protocol(chosen)
        chosen.connection_made(self._transport)
        chosen.data_received(self._seen)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ProtocolError):
            await http2.serve(reader, writer, self._workload.serve_http2)
        writer.close()
