"""Keep a client at its host: the address travels in a cookie or a header.

Models    envoy.extensions.filters.http.stateful_session.v3,
          envoy.extensions.http.stateful_session.{cookie,header}.v3
Follows   envoy/source/extensions/filters/http/stateful_session/stateful_session.cc,
          source/extensions/http/stateful_session/{cookie/cookie.h,header/header.cc}
Leaves    the envelope kind (a not-simulated diagnostic names it)
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass, replace

from simulator.envoy.commands import Response
from simulator.envoy.filters.passing import Override, Passing
from simulator.envoy.header_map import without
from simulator.envoy.match import cookies

_SECOND_NS = 1_000_000_000
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_ADDRESS, _EXPIRES = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class StatefulSessionConfig:
    """Where the address travels; neither cookie nor header: no session is kept."""

    cookie: str = ""
    path: str = ""
    """Requests elsewhere have no session."""
    ttl_s: int = 0
    """0: for as long as the client keeps the cookie."""
    attributes: tuple[tuple[str, str], ...] = ()
    header: str = ""
    strict: bool = False
    status: int = 503

    def covers(self, path: str) -> bool:
        """Say whether requests to a path have a session."""
        if not self.cookie:
            return bool(self.header)
        if self.path in ("", "/"):
            return True
        rest = path.removeprefix(self.path)
        if rest == path:
            return False
        return self.path.endswith("/") or rest[:1] in ("", "/", "?", "#")


def decode(config: StatefulSessionConfig, passing: Passing) -> None:
    """Ask for the host that the client brings along."""
    config = passing.own or config
    if not config.covers(passing.request.path):
        return
    address = _brought(config, passing)
    passing.memory[passing.at] = config, address
    if address:
        passing.override = Override(address=address, strict=config.strict, status=config.status)
        passing.note("filter", passing.name, f"the session is at {address}")


def encode(_: StatefulSessionConfig, passing: Passing, response: Response) -> Response:
    """Tell the client of its host, where it is not the one that it asked for."""
    if passing.at not in passing.memory or passing.host is None:
        return response
    config, asked = passing.memory[passing.at]
    address = passing.host.endpoint.key
    if address == asked:
        return response
    if config.header:
        line = (config.header.lower(), b64encode(address.encode()).decode())
        kept = without(response.headers, (line[0],))
    else:
        line = ("set-cookie", _line(config, _packed(config, address, passing.now)))
        kept = response.headers
    return replace(response, headers=(*kept, line))


def _brought(config: StatefulSessionConfig, passing: Passing) -> str:
    if config.header:
        return _plain(passing.request.first(config.header) or "").decode(errors="replace")
    told = _plain(cookies(passing.request).get(config.cookie) or "")
    try:
        fields = dict(_fields(told))
    except ValueError:
        # Envoy still takes an address that is not packed.
        return told.decode(errors="replace")
    address, expires = fields.get(_ADDRESS, b""), fields.get(_EXPIRES, 0)
    if not isinstance(address, bytes) or not isinstance(expires, int):
        return ""
    gone = expires and passing.now // _SECOND_NS > expires
    return "" if gone else address.decode(errors="replace")


def _plain(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _packed(config: StatefulSessionConfig, address: str, now: int) -> str:
    """Return an address and when it expires, as a message of protobuf in base64."""
    told = bytes([_ADDRESS << 3 | _BYTES, *_varint(len(address))]) + address.encode()
    if config.ttl_s:
        told += bytes([_EXPIRES << 3 | _VARINT, *_varint(now // _SECOND_NS + config.ttl_s)])
    return b64encode(told).decode()


def _varint(number: int) -> Iterator[int]:
    while number > 0x7F:
        yield number & 0x7F | 0x80
        number >>= 7
    yield number


def _fields(told: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the fields of a message; raises ValueError for what is none."""
    at = 0
    while at < len(told):
        tag, at = _number(told, at)
        number, wire = tag >> 3, tag & 7
        if not number:
            raise ValueError(tag)
        if wire == _VARINT:
            value, at = _number(told, at)
            yield number, value
            continue
        if wire == _BYTES:
            length, at = _number(told, at)
        elif wire in (_FIXED64, _FIXED32):
            length = 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(wire)
        if at + length > len(told):
            raise ValueError(number)
        yield number, told[at : at + length]
        at += length


def _number(told: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(told) and shift < 64:
        byte = told[at]
        value, shift, at = value | (byte & 0x7F) << shift, shift + 7, at + 1
        if byte < 0x80:
            return value, at
    raise ValueError(at)


def _line(config: StatefulSessionConfig, value: str) -> str:
    parts = [f'{config.cookie}="{value}"']
    if config.ttl_s:
        parts.append(f"Max-Age={config.ttl_s}")
    if config.path:
        parts.append(f"Path={config.path}")
    parts += [f"{name}={text}" if text else name for name, text in config.attributes]
    return "; ".join([*parts, "HttpOnly"])
