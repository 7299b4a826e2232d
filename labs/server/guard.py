"""Keep strangers out: other machines, other sites and bodies without end.

There is no login, so that any page in the same browser could try to use this server. A
page of another site sends another `Origin`; one whose name was made to point here (DNS
rebinding) sends another `Host`.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from labs.server.failures import body

_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_SAFE_FETCH = frozenset({"same-origin", "none"})
_HEADERS = {
    # CodeMirror and the charts set styles from scripts; scripts come from here alone.
    "content-security-policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """Lets requests of this machine's own page through, and nothing else."""

    def __init__(self, app: ASGIApp, *, body_max: int) -> None:
        self._app = app
        self._body_max = body_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = _refusal(scope, headers)
        if refusal:
            response = JSONResponse(body(refusal, "Open the page at its loopback address."), 403)
            await response(scope, receive, _with_headers(send))
            return
        content = await _read(receive, self._body_max)
        if content is None:
            response = JSONResponse(
                body(f"The request is larger than {self._body_max // 1024} KiB."), 413
            )
            await response(scope, receive, _with_headers(send))
            return
        await self._app(scope, _replay(content, receive), _with_headers(send))


def _refusal(scope: Scope, headers: Headers) -> str:
    client = scope.get("client")
    if client is not None and not _is_loopback(client[0]):
        return "Only this machine may use this server."
    host = headers.get("host", "")
    if urlsplit(f"//{host}").hostname not in _NAMES:
        return f"This server does not answer for the host {host or 'without a name'}."
    if scope["method"] in _READING:
        return ""
    origin = headers.get("origin")
    if origin is not None and origin != f"{scope['scheme']}://{host}":
        return f"Pages of {origin} may not change anything here."
    if origin is None and headers.get("sec-fetch-site", "none") not in _SAFE_FETCH:
        return "Pages of other sites may not change anything here."
    return ""


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


async def _read(receive: Receive, limit: int) -> bytes | None:
    """Return the whole body, or None if it is longer than `limit`."""
    content = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return content
        part: bytes = message.get("body", b"")
        content += part
        if len(content) > limit:
            return None
        if not message.get("more_body", False):
            return content


def _replay(content: bytes, receive: Receive) -> Receive:
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": content, "more_body": False}

    return again


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(_HEADERS)
        await send(message)

    return sending
