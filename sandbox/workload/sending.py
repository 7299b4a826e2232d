"""Send one request from where this process stands, on a connection of its own."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
import time
from typing import Any

import aiohttp
from h2.exceptions import ProtocolError
from multidict import CIMultiDict
from yarl import URL

from sandbox.workload import http2

_BODY_CHARACTERS = 4096
_TIMEOUT_S = 30.0
_NEVER_ADDED = ("accept", "accept-encoding", "user-agent", "content-type")

_CLOSED = "connection closed by the peer before a response"

Wire = dict[str, Any]
"""What to send: `host`, `port`, `protocol` (`http1`, `http2`), `tls` (`sni`, `alpn`, `certificate`
with its key, as PEM) or none, `method`, `authority`, `path`, `headers`, `body`."""

Response = tuple[int, list[tuple[str, str]], bytes]


async def send(wire: Wire) -> dict[str, Any]:
    """Send one request; return `status`, `headers`, `body` and `duration_ns`, or the `error`.

    `timeout` is set instead where no answer comes.
    """
    started = time.perf_counter_ns()
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            speak = _http1 if wire["protocol"] == "http1" else _http2
            status, headers, body = await speak(wire)
    except TimeoutError:
        return {"timeout": _TIMEOUT_S}
    except (aiohttp.ClientError, http2.ClosedError, OSError) as error:
        return {"error": _told(error, tls=wire["tls"] is not None)}
    except ProtocolError:
        return {"error": "the answer is not HTTP"}
    return {
        "status": status,
        "headers": headers,
        "body": body.decode(errors="replace")[:_BODY_CHARACTERS],
        "duration_ns": time.perf_counter_ns() - started,
    }


def _told(error: Exception, *, tls: bool) -> str:
    """Return what a client says of a connection that came to nothing."""
    connecting = isinstance(error, aiohttp.ClientConnectorError)
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, ConnectionRefusedError):
        return "connection refused"
    if tls and (connecting or isinstance(cause, OSError)):
        return f"TLS handshake failed: {cause}"
    return "connection refused" if connecting else _CLOSED


async def _http1(wire: Wire) -> Response:
    headers = CIMultiDict([(name, value) for name, value in wire["headers"]])
    headers["Host"] = wire["authority"]
    scheme = "https" if wire["tls"] else "http"
    async with (
        _session() as session,
        session.request(
            wire["method"],
            URL(f"{scheme}://{wire['host']}:{wire['port']}{wire['path']}", encoded=True),
            headers=headers,
            data=wire["body"].encode() or None,
            allow_redirects=False,
            ssl=_context(wire["tls"]) if wire["tls"] else True,
            server_hostname=wire["tls"]["sni"] if wire["tls"] else None,
        ) as response,
    ):
        return response.status, list(response.headers.items()), await response.read()


async def _http2(wire: Wire) -> Response:
    tls = wire["tls"]
    secured = {"ssl": _context(tls), "server_hostname": tls["sni"]} if tls else {}
    reader, writer = await asyncio.open_connection(wire["host"], wire["port"], **secured)
    pseudo = [
        (":method", wire["method"]),
        (":scheme", "https" if tls else "http"),
        (":authority", wire["authority"]),
        (":path", wire["path"]),
    ]
    own = [(name.lower(), value) for name, value in wire["headers"]]
    try:
        headers, body = await http2.ask(reader, writer, [*pseudo, *own], wire["body"].encode())
    finally:
        writer.close()
    status = next(value for name, value in headers if name == ":status")
    return int(status), [pair for pair in headers if pair[0] != ":status"], body


def _context(tls: dict[str, Any]) -> ssl.SSLContext:
    """Return TLS that takes any certificate, as `curl --insecure` does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if tls["alpn"]:
        context.set_alpn_protocols(tls["alpn"])
    if tls["certificate"]:
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(tls["certificate"])
            file.flush()
            context.load_cert_chain(file.name)
    return context


def _session() -> aiohttp.ClientSession:
    """Return a client that opens a connection for each request and adds no headers."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True, limit=0),
        timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S),
        skip_auto_headers=_NEVER_ADDED,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    )
