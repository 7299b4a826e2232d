"""What both planes say of one request, in one form: the fields that have to be equal.

Left out is what the moment decides: dates, durations, made-up ids, the codec's headers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import Any

from sandbox.fidelity.generate.case import HASHING, REFUSING, Ask, Dial, Json, is_http, the_manager
from sandbox.fidelity.plane import CASE, Seen
from sandbox.fidelity.simulated import Found
from simulator.observe.explain import Node

_VOLATILE = frozenset(
    {
        "date",
        "x-envoy-upstream-service-time",
        "content-length",
        "connection",
        "transfer-encoding",
        "x-ratelimit-reset",
        # The name of the node's own cluster.
        "x-envoy-upstream-healthchecked-cluster",
        CASE,
    }
)
_EXPECTED = "x-envoy-expected-rq-timeout-ms"
Headers = tuple[tuple[str, str], ...]


class Compared:
    """How the outcomes of one listener's requests are compared."""

    def __init__(self, listener: Json) -> None:
        manager = the_manager(listener) if is_http(listener) else {}
        # A real proxy on loopback appends its own address in place of the client's.
        self._own_address = bool(manager.get("use_remote_address")) and not manager.get(
            "skip_xff_append"
        )

    def difference(
        self, ask: Ask | Dial, found: Found, node: Node | None, seen: Seen
    ) -> tuple[str, Any, Any] | None:
        """Return the first field that differs: its name, the real value, the simulated one."""
        for field, real, simulated in self._pairs(ask, found, node, seen):
            if real != simulated:
                if field.endswith("headers"):
                    real, simulated = _apart(real, simulated)
                return field, real, simulated
        return None

    def _pairs(
        self, ask: Ask | Dial, found: Found, node: Node | None, seen: Seen
    ) -> Iterator[tuple[str, Any, Any]]:
        yield "filter chain", seen.said, found.said
        if isinstance(ask, Dial):
            return
        log = seen.log or {}
        yield "status", seen.status, found.status
        yield "details", log["details"], found.details or None
        yield "flags", log["flags"], found.flags
        yield "virtual host", log["vhost"] or None, found.virtual_host
        if found.details != "path_normalization_failed":
            # For some kinds of routes, but not for all, Envoy has looked for one by then.
            yield "route", log["route"] or None, found.route
        yield "attempts", int(log["attempts"] or 0), found.attempts
        yield "request lines", [one.line for one in seen.arrived], [o.line for o in found.sent]
        for at, (real, simulated) in enumerate(zip(seen.arrived, found.sent, strict=True)):
            expected = frozenset({_EXPECTED}) if at else frozenset[str]()
            yield (
                "request headers",
                self._headers(real.headers, ask, expected),
                self._headers(simulated.headers, ask, expected),
            )
        if found.cluster not in HASHING or _hashed(node):
            real_ports = [f"127.0.0.1:{one.port}" for one in seen.arrived]
            yield "endpoints", real_ports, [one.endpoint for one in found.sent]
        yield (
            "response headers",
            self._headers(seen.headers, ask),
            self._headers(found.headers, ask),
        )
        if found.cluster not in (None, REFUSING):
            yield "cluster", log["cluster"], found.cluster

    def _headers(
        self, headers: Iterable[tuple[str, str]], ask: Ask, beside: frozenset[str] = frozenset()
    ) -> Headers:
        return tuple(
            sorted(
                (
                    (name, self._value(name, value, ask))
                    for name, value in headers
                    if name not in _VOLATILE and name not in beside
                ),
                # What one header's values are, in which order, is compared.
                key=itemgetter(0),
            )
        )

    def _value(self, name: str, value: str, ask: Ask) -> str:
        if name == "x-request-id" and (name, value) not in ask.headers and value:
            return "made"
        if name == "x-forwarded-for" and self._own_address:
            return value.rpartition(",")[0]
        return value


def _apart(real: Headers, simulated: Headers) -> tuple[Headers, Headers]:
    """Return headers without those whose values are the same on both sides."""
    names = {name for name, _ in (*real, *simulated)}
    other = {
        each
        for each in names
        if [v for n, v in real if n == each] != [v for n, v in simulated if n == each]
    }
    left, right = (
        tuple((name, value) for name, value in side if name in other) for side in (real, simulated)
    )
    return left, right


def _hashed(node: Node | None) -> bool:
    """Say whether a hash chose the endpoint, where one was wanted."""
    found = [each for each in (node.children if node else ()) if each.what == "hash"]
    return bool(found) and found[0].name != "none"
