"""Ask again and again for the names of a proxy's DNS clusters, by simulated time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.envoy.upstream import Upstream

if TYPE_CHECKING:
    from simulator.engine.proxy_node import ProxyNode


class Lookups:
    """What one proxy asks its resolver, from its start on."""

    __slots__ = ("_asked", "_node")

    def __init__(self, node: ProxyNode) -> None:
        self._node = node
        self._asked: dict[str, Upstream] = {}
        """By cluster name, whose names are being asked for."""

    def begin(self) -> None:
        """Begin to ask for names that nobody asks for yet; their first answers are there."""
        upstreams = self._node.proxy.upstreams
        for cluster, upstream in upstreams.items():
            if upstream.names is None or self._asked.get(cluster) is upstream:
                continue
            self._asked[cluster] = upstream
            for name in upstream.names:
                self._wait(upstream, name, upstream.names.wait_ns(name, self._node.chance))

    def _wait(self, upstream: Upstream, name: str, wait_ns: int) -> None:
        self._node.world.agenda.beat(wait_ns, lambda _: self._ask(upstream, name))

    def _ask(self, upstream: Upstream, name: str) -> None:
        node, cluster = self._node, upstream.cluster.name
        if node.proxy.upstreams.get(cluster) is not upstream:
            return
        wait_ns = upstream.look_up(name, node.chance, node.world.agenda.now)
        # Hosts that are new may have to be checked.
        node.checks.begin()
        node.settle()
        self._wait(upstream, name, wait_ns)
