"""See every packet that crosses the bridge of a mesh in namespaces. Needs root."""

from __future__ import annotations

import ctypes
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_ETH_P_ALL = 0x0003
_IPV4, _TCP = 0x0800, 6


@dataclass
class Capture:
    """The payload of each TCP segment, with the address and port that it went to."""

    segments: list[tuple[str, int, bytes]] = field(default_factory=list)

    def to(self, address: str, port: int) -> bytes:
        """Return all that was sent to a place."""
        return b"".join(
            data for at, number, data in self.segments if (at, number) == (address, port)
        )


@contextmanager
def capture(process: int) -> Iterator[Capture]:
    """Yield what crosses every interface of a process's network while the block runs."""
    with ThreadPoolExecutor(1) as thread:  # only this thread enters the namespace
        listening = thread.submit(_socket, process).result()
    seen = Capture()
    with listening:
        yield seen
        while True:
            try:
                frame = listening.recv(65_536)
            except BlockingIOError:
                return
            _take(seen, frame)


def _socket(process: int) -> socket.socket:
    with Path(f"/proc/{process}/ns/net").open("rb") as file:
        assert ctypes.CDLL(None).setns(file.fileno(), _CLONE_NEWNET) == 0, "only root may"
    listening = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * 1024 * 1024)
    listening.setblocking(False)
    return listening


def _take(seen: Capture, frame: bytes) -> None:
    if int.from_bytes(frame[12:14], "big") != _IPV4 or frame[23] != _TCP:
        return
    ip = frame[14:]
    tcp = ip[(ip[0] & 15) * 4 : int.from_bytes(ip[2:4], "big")]
    data = tcp[(tcp[12] >> 4) * 4 :]
    if data:
        port = int.from_bytes(tcp[2:4], "big")
        seen.segments.append((socket.inet_ntoa(ip[16:20]), port, data))
