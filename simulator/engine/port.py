"""What a workload's port makes of a connection that does not speak as it does."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.config.scenario import Spoken
from simulator.engine.network import PLAIN_ANSWER, Answer, Failure
from simulator.engine.opening import BYTES, Opening
from simulator.envoy.commands import Reset, Response
from simulator.envoy.tls import Certificate
from simulator.envoy.transport import NO_PROTOCOL, refusal

_RAW = frozenset({Spoken.TCP, Spoken.SERVER_FIRST})
_ALPN = frozenset({"h2", "http/1.1"})
"""What a server of HTTPS offers; it ends a handshake that has nothing in common with that."""
_NOT_HTTP = Response(status=400, headers=(("content-type", "text/plain"),), body="Bad Request")


class Silence:
    """Neither side says anything, for ever."""


def misunderstood(
    spoken: Spoken, opening: Opening, names: Sequence[str]
) -> Answer | Silence | None:
    """Return what comes of a connection that gets no answer of the workload's; None: it does.

    `names` are those that the workload's own certificate bears.
    """
    hello = opening.hello
    if (hello is not None) != (spoken is Spoken.HTTPS):
        if hello is not None:
            return PLAIN_ANSWER
        return Silence() if opening.silent else _NOT_HTTP
    if hello is not None:
        if hello.alpn and _ALPN.isdisjoint(hello.alpn):
            return Failure(words=NO_PROTOCOL)
        if words := refusal(hello, Certificate(dns_sans=tuple(names))):
            return Failure(words=words)
    if opening.silent:
        return None if spoken is Spoken.SERVER_FIRST else Silence()
    if opening.speaks == BYTES and spoken not in _RAW:
        return _NOT_HTTP
    if opening.speaks != BYTES and spoken in _RAW:
        return Reset.PROTOCOL_ERROR
    return None
