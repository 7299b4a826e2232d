"""Serve one pod: its ports, and the socket on which it takes commands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from sandbox.workload import control
from sandbox.workload.server import Workload

_IDLE_S = 3600
"""Longer than any sandbox lives: an idle connection is never closed under a proxy's feet."""


async def run(told: dict[str, Any], ready: Callable[[str | None], None]) -> None:
    """Serve one pod until cancelled; call `ready(None)`, or `ready(reason)` if it cannot."""
    with Path(told["witness"]).open("a") as witness:
        workload = Workload(told, witness)
        runner = web.ServerRunner(
            web.Server(workload.serve, access_log=None, keepalive_timeout=_IDLE_S)
        )
        await runner.setup()
        try:
            for host, port in told["listen"]:
                try:
                    await web.TCPSite(runner, host, port).start()
                except OSError as error:
                    ready(f"{host}:{port}: {error.strerror}")
                    return
            async with await control.serve(told["control"], workload):
                ready(None)
                await asyncio.Event().wait()
        finally:
            await workload.close()
            await runner.cleanup()
