"""One HTTP request inside a proxy: its filters, then the router, until it is answered.

The machine is pure: it is told what happened, and when, and answers with one command
(`simulator.envoy.commands`).

Follows   envoy/source/common/router/router.cc
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from simulator.envoy.commands import Command, Finish, Headers, Reset, Response
from simulator.observe.explain import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What the proxy's access log would say of a stream."""

    route: str | None
    virtual_host: str | None
    cluster: str | None
    endpoint: str | None
    """`ip:port` of the last attempt's endpoint."""
    attempts: int
    flags: tuple[str, ...]
    details: str
    status: int | None
    request_headers_upstream: Headers | None
    """As last sent, with `:method`, `:path`, `:authority` and `:scheme` first; absent if never sent."""


class Stream(Protocol):
    """One HTTP request inside a proxy."""

    timeout_ns: int | None
    """The route's time-out, known after `start`; from the request's last byte. 0 or None: none."""
    node: Node | None
    """Why all this happened; absent unless asked for."""

    def start(self, now: int) -> Command: ...
    def resume(self, now: int) -> Command: ...
    def on_response(self, now: int, response: Response) -> Command: ...
    def on_reset(self, now: int, reason: Reset) -> Command: ...
    def on_per_try_timeout(self, now: int) -> Command | None: ...
    def on_timeout(self, now: int) -> Finish | None: ...
    def on_disconnect(self, now: int) -> Finish | None: ...
    def record(self) -> Record: ...
