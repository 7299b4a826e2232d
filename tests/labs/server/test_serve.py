from __future__ import annotations

import socket
from pathlib import Path

import httpx
import pytest

from labs.server.serve import HOST, PortBusyError, serve
from labs.server.settings import Settings
from tests.browser.serving import serving


def test_it_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    with serving(tmp_path) as address:
        assert httpx.get(f"{address}/api/labs").status_code == 200

    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/api/labs")


def test_it_is_interrupted_while_its_workers_start(tmp_path: Path) -> None:
    with serving(tmp_path) as address:
        assert address


def test_a_busy_port_is_said(settings: Settings) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortBusyError, match=str(port)):
            serve(port, settings=settings)
