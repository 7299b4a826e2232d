"""A client's request: what it sends, and when it has its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from simulator.engine.exchange import Trace
from simulator.engine.network import Answer, Failure, reset_of
from simulator.engine.opening import PLAIN, Opening
from simulator.engine.resolve import Target
from simulator.engine.world import World
from simulator.envoy.commands import Reset, Response
from simulator.envoy.request import Request
from simulator.istiod.registry import Pod

_WORDS = {
    Reset.REMOTE_CONNECTION_FAILURE: "connection refused",
    Reset.LOCAL_CONNECTION_FAILURE: "no route to host",
    Reset.PROTOCOL_ERROR: "the answer is not HTTP",
    Reset.CONNECTION_TERMINATION: "connection closed by the peer before a response",
}


class Ask:
    """One request of a client, under way or answered."""

    __slots__ = ("_done", "_world", "answer_", "ended_ns", "started_ns", "target", "trace")

    def __init__(
        self, world: World, target: Target, trace: Trace, done: Callable[[Ask], None]
    ) -> None:
        self._world = world
        self._done = done
        self.target = target
        self.trace = trace
        self.started_ns: int = world.agenda._now  # noqa: SLF001 - a property costs a call
        self.ended_ns = -1
        self.answer_: Answer | None = None

    def send(self, client: Pod | None, request: Request, opening: Opening = PLAIN) -> None:
        """Send it, on a connection of its own."""
        self._world.send(client, self.target, request, self, self.trace, opening)

    span = -1
    request_id = ""

    def queued(self, waited_ns: int) -> None:
        """Ignore what a client cannot know."""

    def answer(self, answer: Answer) -> None:
        """Take the answer."""
        assert self.ended_ns < 0, "a request ends once"
        self.answer_ = answer
        self.ended_ns = self._world.agenda._now  # noqa: SLF001
        self._done(self)

    @property
    def error(self) -> str | None:
        """Return why there is no response."""
        if self.answer_ is None:
            return self.target.error or "no answer"
        if isinstance(self.answer_, Response):
            return None
        if isinstance(self.answer_, Failure):
            return f"TLS handshake failed: {self.answer_.words}"
        reset = reset_of(self.answer_)
        return self.target.error or _WORDS.get(reset, str(reset))


def request_of(
    target: Target,
    method: str,
    headers: Mapping[str, str | tuple[str, ...]],
    body: str = "",
) -> Request:
    """Return the request that a client writes on the wire."""
    pairs: list[tuple[str, str]] = []
    authority = target.authority
    for name, value in headers.items():
        values = (value,) if isinstance(value, str) else value
        if name.lower() == "host" and values:
            authority = values[0]
        else:
            # White space around a value is no part of it.
            pairs.extend((name.lower(), one.strip(" \t")) for one in values)
    return Request(
        method=method, authority=authority, path=target.path, headers=tuple(pairs), body=body
    )
