"""Ask the process of a pod, over its control socket."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from sandbox.errors import ProbeTimeout, SandboxError

_LINE_BYTES = 16 * 1024 * 1024


async def ask(path: Path, asked: dict[str, Any], *, timeout_s: float = 60.0) -> dict[str, Any]:
    """Return the answer of the process behind a control socket.

    Raises SandboxError when it is gone, ProbeTimeout when it says nothing.
    """
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_unix_connection(path, limit=_LINE_BYTES)
            try:
                writer.write(json.dumps(asked).encode() + b"\n")
                line = await reader.readline()
            finally:
                writer.close()
    except TimeoutError as error:
        raise ProbeTimeout(f"no answer on {path.name} within {timeout_s:g} s") from error
    except OSError as error:
        raise SandboxError(f"the process behind {path} does not answer: {error}") from error
    if not line:
        message = f"the process behind {path} ended before it answered"
        raise SandboxError(message)
    answer: dict[str, Any] = json.loads(line)
    return answer
