"""Put a request's path and host into the form in which routes are looked for.

Models    HttpConnectionManager.{normalize_path, merge_slashes, path_with_escaped_slashes_action,
          strip_matching_host_port, strip_any_host_port, strip_trailing_host_dot}
Follows   envoy/source/common/http/{path_utility,legacy_path_canonicalizer,conn_manager_utility}.cc
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

_CACHED = 8192


class EscapedSlashes(StrEnum):
    """What to do with `%2F` and `%5C` in a path."""

    KEEP = "KEEP_UNCHANGED"
    REJECT = "REJECT_REQUEST"
    UNESCAPE_AND_REDIRECT = "UNESCAPE_AND_REDIRECT"
    UNESCAPE_AND_FORWARD = "UNESCAPE_AND_FORWARD"


@dataclass(frozen=True, slots=True, kw_only=True)
class PathRules:
    """What the connection manager does to paths before any filter sees them."""

    normalize: bool = False
    merge_slashes: bool = False
    escaped_slashes: EscapedSlashes = EscapedSlashes.KEEP


class BadPathError(ValueError):
    """A path that the rules refuse."""


@dataclass(frozen=True, slots=True)
class Normalized:
    """A path as the filters see it."""

    path: str
    redirect: bool = False
    """The client is sent to the path instead."""


@lru_cache(maxsize=_CACHED)
def normalized(rules: PathRules, path: str) -> Normalized:
    """Return a path in the form that the rules ask for.

    Raises BadPathError if they refuse it; a fragment is always refused.
    """
    if "#" in path:
        raise BadPathError(path)
    plain, mark, query = path.partition("?")
    redirect = False
    if rules.escaped_slashes is not EscapedSlashes.KEEP:
        unescaped = _ESCAPED_SLASH.sub(lambda found: _SLASHES[found.group().lower()], plain)
        if unescaped != plain:
            if rules.escaped_slashes is EscapedSlashes.REJECT:
                raise BadPathError(path)
            redirect = rules.escaped_slashes is EscapedSlashes.UNESCAPE_AND_REDIRECT
            plain = unescaped
    if rules.normalize:
        plain = _canonical(plain)
    if rules.merge_slashes and "//" in plain:
        plain = _merged(plain)
    return Normalized(f"{plain}{mark}{query}", redirect)


def _merged(path: str) -> str:
    """Return a path without empty segments; one of slashes alone keeps its first and its last."""
    return "//" if not path.strip("/") else _MANY_SLASHES.sub("/", path)


_ESCAPED_SLASH = re.compile(r"%(?:2f|5c)", re.IGNORECASE)
_SLASHES = {"%2f": "/", "%5c": "\\"}
_MANY_SLASHES = re.compile(r"/{2,}")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~.")
_TO_ESCAPE = frozenset(b' "<>^`{|}') | frozenset(range(1, 0x20)) | frozenset(range(0x7F, 0x100))


def _canonical(path: str) -> str:
    """Return a path without dot segments, backslashes and needless escapes (RFC 3986)."""
    path = _ESCAPE.sub(_unescaped, path).replace("\\", "/")
    if any(ord(character) in _TO_ESCAPE or ord(character) > 0xFF for character in path):
        path = "".join(_escaped(character) for character in path)
    kept: list[str] = []
    segments = path.removeprefix("/").split("/")
    for at, segment in enumerate(segments):
        last = at == len(segments) - 1
        if segment == ".." and kept:
            kept.pop()
        if segment not in (".", ".."):
            kept.append(segment)
        elif last:
            kept.append("")
    return "/" + "/".join(kept)


def _unescaped(found: re.Match[str]) -> str:
    code = int(found.group(1), 16)
    if code == 0:
        raise BadPathError(found.string)
    return chr(code) if code in _UNRESERVED else found.group()


def _escaped(character: str) -> str:
    code = ord(character)
    if code not in _TO_ESCAPE and code <= 0xFF:
        return character
    return "".join(f"%{byte:02X}" for byte in character.encode())


def without_trailing_dot(host: str) -> str:
    """Return a host without the dot at the end of its name."""
    before, dot, after = host.rpartition(".")
    return before + after if dot and before and (not after or after.startswith(":")) else host


def without_port(host: str, port: int | None = None) -> str:
    """Return a host without its port, or only without this one."""
    at = host.rfind(":")
    if at == -1 or host.rfind("]") > at or not host[at + 1 :].isdigit():
        return host
    if port is not None and int(host[at + 1 :]) != port:
        return host
    return host[:at]
