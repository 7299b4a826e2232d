"""Take commands on a unix socket while a mesh runs: send a request, behave differently.

One JSON line is asked, one is answered.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from sandbox.workload.loading import load
from sandbox.workload.sending import send
from sandbox.workload.server import Workload
from simulator.config.scenario import Behaviour

_LINE_BYTES = 16 * 1024 * 1024


async def serve(path: str, workload: Workload) -> asyncio.Server:
    """Return the server of a workload's control socket. Raises OSError."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                answer = await _answer(workload, json.loads(line))
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass  # whoever asked is gone, or is none of ours
        finally:
            writer.close()

    return await asyncio.start_unix_server(talk, path, limit=_LINE_BYTES)


async def _answer(workload: Workload, asked: dict[str, Any]) -> dict[str, Any]:
    match asked["do"]:
        case "send":
            return await send(asked["wire"])
        case "load":
            return await load(asked["wire"], asked["rate"], asked["seconds"], asked["prefix"])
        case "behave":
            workload.behave(Behaviour.model_validate(asked["behaviour"]), asked["places"])
            return {}
        case unknown:
            return {"error": f"unknown command {unknown!r}"}
