"""The making of a connection between a proxy and an endpoint, before any request is on it.

A connection takes a journey to the endpoint and back, and once more there and back for the
handshake of TLS 1.3. What a handshake comes to shows when the first request gets there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.engine.kernel import Timer
from simulator.envoy.commands import Reset
from simulator.envoy.pool import Connect

if TYPE_CHECKING:
    from simulator.engine.proxy_node import ProxyNode


class Dialling:
    """One connection on its way to be made."""

    __slots__ = ("_connect", "_node", "_timer", "_way")

    def __init__(self, node: ProxyNode, connect: Connect) -> None:
        self._node = node
        self._connect: Connect | None = connect
        self._way = node.world.link(node.pod).one_way
        self._timer: Timer | None = None

    def start(self) -> None:
        """Set off; what is beside the proxy is reached at once."""
        node, connect = self._node, self._connect
        assert connect is not None, "it starts once"
        if node.is_own(connect.endpoint.address):
            self._back(connect.endpoint.port in node.pod.ports or self._listens(connect))
            return
        agenda = node.world.agenda
        self._timer = agenda.timers(connect.timeout_ns).start(self._expire)
        agenda.call_after(self._way(), self._arrive)

    def _listens(self, connect: Connect) -> bool:
        node, endpoint = self._node, connect.endpoint
        return node.world.listens((endpoint.address, endpoint.port), node.pod)

    def _arrive(self, _: object) -> None:
        connect = self._connect
        if connect is not None:
            answered = self._listens(connect)
            spent_ns = self._way()
            if answered and connect.tls:
                spent_ns += self._way() + self._way()
            self._node.world.agenda.call_after(spent_ns, self._back, answered)

    def _back(self, answered: object) -> None:
        self._end(None if answered else Reset.REMOTE_CONNECTION_FAILURE)

    def _expire(self, _: object) -> None:
        self._end(Reset.CONNECTION_TIMEOUT)

    def _end(self, failure: Reset | None) -> None:
        connect, self._connect = self._connect, None
        if connect is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        if failure is None:
            connect.done()
        else:
            connect.fail(failure)
        self._node.settle()
