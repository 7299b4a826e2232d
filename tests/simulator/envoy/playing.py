"""Drive a simulated stream in virtual time against a scripted network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from simulator.envoy.cluster import Cluster
from simulator.envoy.commands import (
    Attempt,
    Call,
    Command,
    Finish,
    Queued,
    Reset,
    Response,
    Wait,
)
from simulator.envoy.compile import compile as compile_resources
from simulator.envoy.connection import Connection
from simulator.envoy.dns import Resolve
from simulator.envoy.draws import NOTHING_FORCED, Draws, Forced, Listed
from simulator.envoy.filters.lasting import EPOCH_NS
from simulator.envoy.listener import Accepted
from simulator.envoy.proxy import Proxy
from simulator.envoy.request import Request
from simulator.envoy.stream import Stream
from simulator.envoy_api import Resources, parse

MS = 1_000_000
_ANSWER_TIME = MS
_RESETS = {
    "close": Reset.CONNECTION_TERMINATION,
    "refuse": Reset.REMOTE_CONNECTION_FAILURE,
    "fail": Reset.LOCAL_CONNECTION_FAILURE,
    "slow-connect": Reset.CONNECTION_TIMEOUT,
    "reset": Reset.REMOTE_RESET,
    "refuse-stream": Reset.REMOTE_REFUSED_STREAM,
    "garbage": Reset.PROTOCOL_ERROR,
}

Backend = Callable[[Attempt], str]
"""What becomes of an attempt: a step of a script, as in `real.py`, or a reset's name."""


Service = Callable[[Call], Response | None]
"""What a service says to a filter; `None`: nothing in time."""


@dataclass
class Played:
    """What a stream did."""

    finish: Finish
    stream: Stream
    attempts: list[Attempt] = field(default_factory=list)
    waits_ms: list[int] = field(default_factory=list)
    ended_ms: int = 0

    @property
    def status(self) -> int | None:
        """The response's status."""
        return self.finish.response.status if self.finish.response else None


def proxy(
    listener: dict[str, Any],
    clusters: list[dict[str, Any]],
    *,
    epoch_ns: int = EPOCH_NS,
    address: str = "",
    connecting: bool = False,
    resolve: Resolve | None = None,
) -> Proxy:
    """Return a proxy of one listener, from Envoy's JSON form.

    `connecting`: whoever drives it makes its connections. `resolve` tells of names.
    """
    resources = Resources(
        listeners=(parse(listener, "envoy.config.listener.v3.Listener"),),
        clusters=tuple(parse(each, "envoy.config.cluster.v3.Cluster") for each in clusters),
    )
    return Proxy(
        compile_resources(resources),
        "test.default",
        epoch_ns=epoch_ns,
        address=address,
        connecting=connecting,
        resolve=resolve,
    )


def streamed(
    one: Proxy,
    request: Request,
    *,
    draws: Draws | None = None,
    forced: Forced = NOTHING_FORCED,
    explain: bool = False,
) -> Stream:
    """Return the stream of a request that came in by the proxy's only listener."""
    (listener,) = one.config.listeners.values()
    connection = Connection(address=listener.address, port=listener.port, source_ip="127.0.0.1")
    accepted = one.accept(connection)
    assert isinstance(accepted, Accepted)
    assert accepted.http is not None
    return one.stream(
        accepted.http,
        request,
        draws or Listed(),
        explain=explain,
        forced=forced,
        connection=connection,
    )


def play(stream: Stream, backend: Backend, service: Service | None = None) -> Played:
    """Drive a stream to its end; `service` answers what filters ask."""
    now, deadline = 0, 0
    attempts: list[Attempt] = []
    waits: list[int] = []
    command: Command | None = stream.start(now)
    while not isinstance(command, Finish):
        assert command is not None, "every event has led somewhere"
        if isinstance(command, Wait):
            if command.anew:
                deadline = 0
            waits.append((command.until_ns - now) // MS)
            ends, end = _end(stream, deadline)
            if ends < command.until_ns:
                now, command = ends, end(ends)
            else:
                now = command.until_ns
                command = stream.resume(now)
            continue
        if isinstance(command, Call):
            assert service is not None, "somebody answers"
            command = stream.on_told(now, service(command))
            continue
        if not deadline and stream.timeout_ns:
            deadline = now + stream.timeout_ns
        if isinstance(command, Queued):
            now, end = _end(stream, deadline)
            command = end(now)
            continue
        attempts.append(command)
        now, command = _outcome(stream, command, backend(command), now, deadline)
    return Played(command, stream, attempts, waits, now // MS)


def _end(stream: Stream, deadline: int) -> tuple[int, Callable[[int], Command | None]]:
    """Return when a stream ends by itself, and what ends it; `deadline` is the route's."""
    ends = [(deadline, stream.on_timeout)] if deadline else []
    if stream.lifetime.ns:
        ends.append((stream.lifetime.ns, stream.on_expiry))
    assert ends, "something ends a request that hangs"
    return min(ends, key=lambda each: each[0])


def _outcome(
    stream: Stream, attempt: Attempt, step: str, now: int, deadline: int
) -> tuple[int, Command | None]:
    if step == "hang":
        ends, end = _end(stream, deadline)
        if attempt.per_try_timeout_ns and now + attempt.per_try_timeout_ns < ends:
            ends, end = now + attempt.per_try_timeout_ns, stream.on_per_try_timeout
        return ends, end(ends)
    if step == "leave":
        return now + MS, stream.on_disconnect(now + MS)
    now += _ANSWER_TIME
    if step in _RESETS:
        return now, stream.on_reset(now, _RESETS[step])
    status, *extra = step.split("+")
    headers = tuple((name, value) for name, _, value in (each.partition(":") for each in extra))
    return now, stream.on_response(now, Response(status=int(status), headers=headers, body="ok"))


def scripted(script: str) -> Backend:
    """Return a network that does what a script says, step by attempt; the last one stays."""
    steps = script.split(",")
    return lambda attempt: steps[min(attempt.number, len(steps)) - 1]


def cluster(name: str, *ports: int, **more: Any) -> dict[str, Any]:
    """Return a static cluster of loopback ports, in Envoy's JSON form."""
    endpoints = [
        {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
        for port in ports
    ]
    assignment = {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": assignment,
        **more,
    }


def hosts(one: Cluster) -> list[str]:
    """Return a cluster's endpoints as `ip:port`."""
    return [endpoint.key for endpoint in one.endpoints]
