"""Send one request from where this process stands, on a connection of its own."""

from __future__ import annotations

import time
from typing import Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

_BODY_CHARACTERS = 4096
_TIMEOUT_S = 30.0
_NEVER_ADDED = ("accept", "accept-encoding", "user-agent", "content-type")

Wire = dict[str, Any]
"""What to send: `host`, `port`, `method`, `authority`, `path`, `headers`, `body`, `protocol`."""


async def send(wire: Wire) -> dict[str, Any]:
    """Send one request; return `status`, `headers`, `body` and `duration_ns`, or the `error`.

    `timeout` is set instead where no answer comes.
    """
    headers = CIMultiDict([(name, value) for name, value in wire["headers"]])
    headers["Host"] = wire["authority"]
    started = time.perf_counter_ns()
    try:
        async with (
            _session() as session,
            session.request(
                wire["method"],
                URL(f"http://{wire['host']}:{wire['port']}{wire['path']}", encoded=True),
                headers=headers,
                data=wire["body"].encode() or None,
                allow_redirects=False,
            ) as response,
        ):
            text = (await response.read()).decode(errors="replace")
            return {
                "status": response.status,
                "headers": list(response.headers.items()),
                "body": text[:_BODY_CHARACTERS],
                "duration_ns": time.perf_counter_ns() - started,
            }
    except aiohttp.ClientConnectorError:
        return {"error": "connection refused"}
    except TimeoutError:
        return {"timeout": _TIMEOUT_S}
    except aiohttp.ClientError:
        return {"error": "connection closed by the peer before a response"}


def _session() -> aiohttp.ClientSession:
    """Return a client that opens a connection for each request and adds no headers."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True, limit=0),
        timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S),
        skip_auto_headers=_NEVER_ADDED,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    )
