"""Run the server on loopback until it is interrupted."""

from __future__ import annotations

import asyncio
import errno
import socket
import webbrowser
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from labs.server.app import create_app
from labs.server.settings import Settings

HOST = "127.0.0.1"
_POLL_S = 0.05
_GRACE_S = 3


class PortBusyError(Exception):
    """Another program listens at the port."""


def serve(
    port: int,
    *,
    open_browser: bool = False,
    settings: Settings | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve the labs; port 0 takes any free one. `ready` is told the address.

    Returns when interrupted, with no process left. Raises PortBusyError.
    """
    with _listen(port) as listener:
        address = f"http://{HOST}:{listener.getsockname()[1]}/"
        app = create_app(settings or Settings())
        config = uvicorn.Config(
            app, log_level="warning", timeout_graceful_shutdown=_GRACE_S, server_header=False
        )
        with suppress(KeyboardInterrupt):
            asyncio.run(_serve(uvicorn.Server(config), listener, address, open_browser, ready))


async def _serve(
    server: uvicorn.Server,
    listener: socket.socket,
    address: str,
    open_browser: bool,  # noqa: FBT001 - private
    ready: Callable[[str], None] | None,
) -> None:
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():
        await asyncio.sleep(_POLL_S)
    if server.started:
        if ready is not None:
            ready(address)
        if open_browser:
            await asyncio.to_thread(webbrowser.open, address)
    await serving


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            message = (
                f"port {port} of {HOST} cannot be used ({error.strerror}). "
                "Try another one: meshdojo serve --port 0 takes any that is free."
            )
            raise PortBusyError(message) from error
        raise
    return listener
