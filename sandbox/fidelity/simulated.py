"""The simulated plane: the same listeners, requests and scripts, in virtual time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.fidelity.endpoints import SILENCE_S, said
from sandbox.fidelity.generate.case import REFUSING, Ask, Dial, Json
from sandbox.fidelity.plane import CASE, Fed, Seen
from simulator.envoy.commands import Attempt, Command, Finish, Reset, Response, Wait
from simulator.envoy.compile import compile as compile_resources
from simulator.envoy.connection import Connection
from simulator.envoy.draws import Forced, Listed
from simulator.envoy.listener import Accepted
from simulator.envoy.proxy import Proxy
from simulator.envoy.request import Request
from simulator.envoy.stream import Stream
from simulator.envoy_api import Resources, parse
from simulator.observe.explain import Node

_NS = 1_000_000_000
_ANSWER_NS = 1_000_000
_ENDS = {"close": Reset.CONNECTION_TERMINATION, "garbage": Reset.PROTOCOL_ERROR}


@dataclass(frozen=True, slots=True)
class Sent:
    """One attempt, as the simulated proxy sends it."""

    endpoint: str
    line: str
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What one request came to."""

    said: str = ""
    """The filter chain that took the connection, where that was asked."""
    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    sent: tuple[Sent, ...] = ()
    flags: str = ""
    details: str = ""
    cluster: str | None = None
    route: str | None = None
    virtual_host: str | None = None
    attempts: int = 0


def proxy(listener: Json, clusters: Sequence[Json], port: int) -> Proxy:
    """Return a proxy of a listener, which the real plane gave a port.

    Raises Rejected.
    """
    one = parse(listener, "envoy.config.listener.v3.Listener")
    one.address.socket_address.port_value = port
    resources = Resources(
        listeners=(one,),
        clusters=tuple(parse(each, "envoy.config.cluster.v3.Cluster") for each in clusters),
    )
    return Proxy(compile_resources(resources), "case")


class Clock:
    """The time of one listener's requests, which come one after the other."""

    def __init__(self) -> None:
        self.now = 0


def play(
    one: Proxy, fed: Fed, number: int, ask: Ask | Dial, seen: Seen, clock: Clock, *, explain: bool
) -> tuple[Found, Node | None]:
    """Return what the simulated proxy does with a request.

    What chance decided in the real one is taken from there.
    """
    if isinstance(ask, Dial):
        return _dialled(one, fed, ask, seen, explain=explain)
    connection = Connection(
        address=fed.address, port=fed.port, source_ip=ask.source, source_port=seen.source_port
    )
    accepted = one.accept(connection)
    assert isinstance(accepted, Accepted), "the listener takes every connection"
    assert accepted.http is not None, "the listener speaks HTTP"
    stream = one.stream(
        accepted.http,
        _request(f"{fed.name}.{number}", ask, fed.port),
        Listed(),
        explain=explain,
        connection=connection,
        forced=_forced(ask, seen),
    )
    sent: list[Sent] = []
    finish = _drive(stream, ask, clock, sent)
    record, response = stream.record(), finish.response
    found = Found(
        status=response.status if response is not None else 0,
        headers=response.headers if response is not None else (),
        sent=tuple(sent),
        flags=",".join(finish.flags) or "-",
        details=finish.details,
        cluster=record.cluster,
        route=record.route,
        virtual_host=record.virtual_host,
        attempts=finish.attempts,
    )
    return found, stream.node


def _dialled(
    one: Proxy, fed: Fed, dial: Dial, seen: Seen, *, explain: bool
) -> tuple[Found, Node | None]:
    connection = Connection(
        address=dial.address,
        port=fed.port,
        transport="tls" if dial.tls else "raw_buffer",
        alpn=dial.alpn,
        sni=dial.sni,
        source_ip=dial.source,
        source_port=seen.source_port,
    )
    accepted = one.accept(connection, explain=explain)
    name = accepted.filter_chain.name if isinstance(accepted, Accepted) else ""
    return Found(said=name), accepted.node


def _request(case: str, ask: Ask, port: int) -> Request:
    headers = [(CASE, case), *((name.lower(), value.strip(" ")) for name, value in ask.headers)]
    if ask.method in ("POST", "PUT"):
        headers.append(("content-length", str(ask.body)))
    host = ask.host_at(port)
    return Request(method=ask.method, authority=host, path=ask.path, headers=tuple(headers))


def _forced(ask: Ask, seen: Seen) -> Forced:
    """Return what chance decided: without one number to go by, a choice by weight."""
    told = [value for name, value in ask.headers if name == "x-random"]
    if len(told) == 1 or seen.log is None:
        return Forced()
    return Forced(cluster=seen.log["cluster"])


def _drive(stream: Stream, ask: Ask, clock: Clock, sent: list[Sent]) -> Finish:
    """Give a stream what the endpoints' script says, until it is answered."""
    deadline: int | None = None
    attempts = 0
    command: Command | None = stream.start(clock.now)
    while not isinstance(command, Finish):
        if deadline is None and stream.timeout_ns:
            deadline = clock.now + stream.timeout_ns
        if isinstance(command, Wait):
            due = command.until_ns
            if deadline is not None and deadline < due:
                clock.now, command = deadline, stream.on_timeout(deadline)
            else:
                clock.now, command = due, stream.resume(due)
            continue
        assert isinstance(command, Attempt), "nothing else is asked for"
        if command.cluster == REFUSING:
            clock.now += _ANSWER_NS
            command = stream.on_reset(clock.now, Reset.REMOTE_CONNECTION_FAILURE)
            continue
        sent.append(_sent(command))
        step = ask.script[min(attempts, len(ask.script) - 1)]
        attempts += 1
        command = _answered(stream, command, step, clock, deadline)
    return command


def _answered(
    stream: Stream, attempt: Attempt, step: str, clock: Clock, deadline: int | None
) -> Command | None:
    silence = step == "hang"
    due = clock.now + (int(SILENCE_S * _NS) if silence else _ANSWER_NS)
    per_try = attempt.per_try_timeout_ns
    tried = clock.now + per_try if per_try else None
    if tried is not None and tried < min(due, deadline or due):
        clock.now = tried
        return stream.on_per_try_timeout(tried)
    if deadline is not None and deadline <= due:
        clock.now = deadline
        return stream.on_timeout(deadline)
    clock.now = due
    if silence or step in _ENDS:
        return stream.on_reset(due, _ENDS.get(step, Reset.CONNECTION_TERMINATION))
    status, headers = said(step)
    # A response to a request that says so has no body, and none has one here.
    headers = (("content-length", "0"), *headers)
    return stream.on_response(due, Response(status=status, headers=headers))


def _sent(attempt: Attempt) -> Sent:
    request = attempt.request
    return Sent(
        endpoint=attempt.endpoint.key,
        line=f"{request.method} {request.path} HTTP/1.1",
        headers=(("host", request.authority), *request.headers),
    )
