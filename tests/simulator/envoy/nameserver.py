"""A name server on loopback for a real Envoy: it tells A and AAAA records, and counts."""

from __future__ import annotations

import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address
from typing import Self

_NO_SUCH_NAME = 3
_CLASSES = {4: 1, 6: 28}
_TTL_S = 1
_PATIENCE_S = 10.0


class NameServer:
    """Answers over UDP with the addresses that `found` tells of a name, the n-th time it asks."""

    def __init__(self, found: Callable[[str, int], tuple[str, ...]]) -> None:
        self._found = found
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._asked: Counter[tuple[str, int]] = Counter()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(_PATIENCE_S)
        self._socket.close()

    def wait(self, name: str, times: int) -> None:
        """Wait until a name's IPv4 addresses were asked for so often."""
        with self._changed:
            asked = name, _CLASSES[4]
            done = self._changed.wait_for(lambda: self._asked[asked] >= times, _PATIENCE_S)
        assert done, f"{name} is asked for {times} times"

    def _run(self) -> None:
        while True:
            question, sender = self._socket.recvfrom(4096)
            if not question:
                return
            self._socket.sendto(self._answer(question), sender)

    def _answer(self, question: bytes) -> bytes:
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1 : at + 1 + question[at]].decode())
            at += 1 + question[at]
        (kind,) = struct.unpack_from("!H", question, at + 1)
        name = ".".join(labels)
        with self._changed:
            self._asked[name, kind] += 1
            times = self._asked[name, kind]
            self._changed.notify_all()
        known = [ip_address(each) for each in self._found(name, times)]
        records = [
            struct.pack("!HHHIH", 0xC00C, kind, 1, _TTL_S, len(each.packed)) + each.packed
            for each in known
            if _CLASSES[each.version] == kind
        ]
        flags = 0x8580 | (0 if known else _NO_SUCH_NAME)
        head = question[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0)
        return head + question[12 : at + 5] + b"".join(records)
