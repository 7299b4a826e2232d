"""Make one number of what a request shares with others that shall go to the same host.

Models    envoy.config.route.v3.RouteAction.HashPolicy
Follows   envoy/source/common/http/hash_policy.cc, source/common/router/router.h
          (computeHashKey), source/common/http/utility.cc (makeSetCookieValue)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from simulator.envoy.balance.hashing import xx_hash
from simulator.envoy.connection import Connection
from simulator.envoy.headers import substitute
from simulator.envoy.match import cookies, query_parameters
from simulator.envoy.request import Hashable, Request, StreamInfo
from simulator.envoy.route_table import HashPolicy
from simulator.observe.explain import FieldRef

_SECOND = 1_000_000_000
_MASK = 2**64 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashed:
    """A request's hash, and what it was made of."""

    value: int
    fields: tuple[FieldRef, ...]
    """The policies that had a part in it."""
    set_cookies: tuple[str, ...] = ()
    """Lines `set-cookie` for the response: cookies that the request did not have."""


def hash_of(
    policies: Iterable[HashPolicy],
    request: Request,
    info: StreamInfo,
    connection: Connection | None,
) -> Hashed | None:
    """Return the hash of a request; `None` if it has nothing that a policy speaks of."""
    value: int | None = None
    fields: list[FieldRef] = []
    set_cookies: list[str] = []
    for policy in policies:
        if policy.kind == "cookie":
            text = cookies(request).get(policy.name)
            if not text and policy.cookie_ttl_ns is not None:
                text = _made(connection)
                set_cookies.append(_line(policy, policy.cookie_ttl_ns, text))
            own = xx_hash(text) if text else None
        else:
            own = _hash(policy, request, info)
        if own is not None:
            # Rotated, so that two equal policies do not cancel each other out.
            before = 0 if value is None else (value << 1 | value >> 63) & _MASK
            value = before ^ own
            fields.append(policy.field)
        if policy.terminal and value is not None:
            break
    if value is None:
        return None
    return Hashed(value=value, fields=tuple(fields), set_cookies=tuple(set_cookies))


def _hash(policy: HashPolicy, request: Request, info: StreamInfo) -> int | None:
    text: str | None
    match policy.kind:
        case "header":
            return _hash_values(policy, request.values(policy.name))
        case "query_parameter":
            text = query_parameters(request.path).get(policy.name)
        case "filter_state":
            found = info.filter_state.get(policy.name)
            text = found if isinstance(found, Hashable) else None
        case _:
            text = info.source_address or None
    return None if text is None else xx_hash(text)


def _hash_values(policy: HashPolicy, values: Iterable[str]) -> int | None:
    """Return the hash of a header's values, in whatever order they came."""
    if policy.rewrite is not None:
        rewrite = policy.rewrite
        values = [substitute(rewrite, value) for value in values]
    found: int | None = None
    for value in sorted(values):
        found = xx_hash(value, found or 0)
    return found


def _made(connection: Connection | None) -> str:
    """Return a cookie's value: the two ends of the connection, hashed."""
    if connection is None:
        return f"{xx_hash(''):016x}"
    ends = f"{connection.source_ip}:{connection.source_port}{connection.address}:{connection.port}"
    return f"{xx_hash(ends):016x}"


def _line(policy: HashPolicy, ttl_ns: int, value: str) -> str:
    parts = [f'{policy.name}="{value}"']
    if ttl_ns:
        parts.append(f"Max-Age={ttl_ns // _SECOND}")
    if policy.cookie_path:
        parts.append(f"Path={policy.cookie_path}")
    for name, text in policy.cookie_attributes:
        parts.append(f"{name}={text}" if text else name)
    parts.append("HttpOnly")
    return "; ".join(parts)
