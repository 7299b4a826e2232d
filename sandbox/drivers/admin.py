"""Ask a running Envoy's admin interface, which listens on a unix socket."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path

_TIMEOUT_S = 2.0


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT_S)
        self.sock.connect(str(self._path))


def ask(path: Path, target: str) -> tuple[int, str]:
    """Return status and body of `GET target`. Raises OSError while nothing answers there."""
    connection = _Connection(path)
    try:
        connection.request("GET", target)
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error
    finally:
        connection.close()


def serves(path: Path) -> bool:
    """Say whether an Envoy has its first configuration and its worker accepts connections."""
    try:
        status, _ = ask(path, "/ready")
        if status != http.client.OK:
            return False
        _, stats = ask(path, "/stats?filter=^listener_manager.workers_started$")
    except OSError:
        return False
    return stats.strip().endswith(": 1")
