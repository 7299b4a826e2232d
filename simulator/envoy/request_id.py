"""What a request's id says besides who it is: a number to sample by, and whether it is traced.

Follows   envoy/source/extensions/request_id/uuid/config.cc
"""

from __future__ import annotations

from dataclasses import dataclass

REQUEST_ID = "x-request-id"
_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")
_LENGTH = 36
_WHOLE = 10_000
NOT_TRACED, SAMPLED, SERVICE_FORCED, CLIENT_FORCED = "49ab"
_REASONS = (SAMPLED, SERVICE_FORCED, CLIENT_FORCED)
_TRACE_AT = 14
"""The place of a UUID's version, which is overwritten."""


def uuid(high: int, low: int) -> str:
    """Return two random numbers as a UUID (version 4)."""
    text = f"{high & ~0xF000 | 0x4000:016x}{low & (1 << 62) - 1 | 1 << 63:016x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracing:
    """Which requests are marked to be traced; shares in hundredths of a per cent."""

    client: int = 10_000
    """Of those whose client asks by `x-client-trace-id`."""
    random: int = 10_000
    overall: int = 10_000


def number(text: str) -> int | None:
    """Return the number that an id stands for; None where it is no UUID."""
    digits = text[:8]
    if len(digits) < 8 or not all(one in _HEXADECIMAL for one in digits):
        return None
    return int(digits, 16)


def trace_mark(text: str) -> str:
    """Return the digit that tells of tracing: `9` sampled, `a` forced, `b` asked by a client."""
    return text[_TRACE_AT] if len(text) == _LENGTH else ""


def traced(tracing: Tracing, text: str, random: int, *, client: bool, service: bool) -> str:
    """Return an id with the mark that a proxy puts there.

    `client` and `service` ask for the request to be traced.
    """
    share = number(text)
    if share is None:
        return text
    mark = trace_mark(text)
    if mark not in _REASONS:
        mark = NOT_TRACED
        if client and random % _WHOLE < tracing.client:
            mark = CLIENT_FORCED
        elif service:
            mark = SERVICE_FORCED
        elif share % _WHOLE < tracing.random:
            mark = SAMPLED
    if mark != NOT_TRACED and share % _WHOLE >= tracing.overall:
        mark = NOT_TRACED
    return marked(text, mark)


def marked(text: str, mark: str) -> str:
    """Return an id with another such digit; one that is no UUID stays."""
    return f"{text[:_TRACE_AT]}{mark}{text[_TRACE_AT + 1 :]}" if len(text) == _LENGTH else text
