"""One running proxy: its configuration, and the state that outlives a request.

Follows   envoy/source/common/upstream/cluster_manager_impl.cc
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from simulator.envoy import mirror
from simulator.envoy.balance import Home
from simulator.envoy.cluster import Cluster
from simulator.envoy.commands import Copy
from simulator.envoy.compile import Config
from simulator.envoy.connection import Connection
from simulator.envoy.dns import Resolve
from simulator.envoy.draws import NOTHING_FORCED, Draws, Forced
from simulator.envoy.filters.lasting import EPOCH_NS, Lasting
from simulator.envoy.filters.router_config import RouterConfig
from simulator.envoy.http import HttpChain
from simulator.envoy.listener import Accepted, Miss
from simulator.envoy.listener import accept as accept_connection
from simulator.envoy.network_filters import Connections
from simulator.envoy.pool import Connect, Turn
from simulator.envoy.request import Request
from simulator.envoy.session import Session
from simulator.envoy.stream import Stream
from simulator.envoy.tcp import TcpChain
from simulator.envoy.upstream import Upstream


class Proxy:
    """One Envoy. It decides; whoever drives it waits, sends and draws."""

    def __init__(
        self,
        config: Config,
        name: str,
        *,
        epoch_ns: int = EPOCH_NS,
        address: str = "",
        connecting: bool = False,
        resolve: Resolve | None = None,
    ) -> None:
        """`connecting`: whoever drives it makes its connections; else they are there at once.

        `resolve` tells what names resolve to; without it, a name is a host of its own.
        """
        self.name = name
        """`POD.NAMESPACE`"""
        self.address = address
        """Its own, of which it tells in requests of its own and in logs; empty: it does not."""
        self.config = config
        self.turns: deque[Turn[Stream]] = deque()
        """Streams whose waiting for a connection has ended; to be emptied after each event."""
        self.connects: deque[Connect] | None = deque() if connecting else None
        """Connections to be made, where that is its driver's affair; to be emptied likewise."""
        self.upstreams: dict[str, Upstream] = {}
        """By cluster name, with what is under way to each."""
        self._lasting = Lasting(epoch_ns, address)
        self.copies = self._lasting.copies
        """Requests to be sent by a stream of `copy`; to be emptied after each event."""
        self._resolve = resolve
        self._connections = Connections()
        self._home: Home | None = None
        self.update(config)

    def update(self, config: Config, now: int = 0) -> None:
        """Take a new configuration.

        A cluster of which only the endpoints changed keeps its state, and so do those of
        its hosts that stay. A cluster that itself changed starts anew, as in Envoy.
        """
        if config.local_cluster and self._home is None:
            self._home = Home(config.local_cluster, config.locality)
        for name in self.upstreams.keys() - config.clusters.keys():
            del self.upstreams[name]
        for name, cluster in config.clusters.items():
            known = self.upstreams.get(name)
            if known is None or not _same_cluster(known.configured, cluster):
                self.upstreams[name] = Upstream(
                    cluster,
                    self.turns,
                    now,
                    home=self._home,
                    upstreams=self.upstreams,
                    connects=self.connects,
                    resolve=self._resolve,
                )
            elif known.cluster is not cluster:
                known.update(cluster, now)
        self.config = config

    def accept(self, connection: Connection, *, explain: bool = False) -> Accepted | Miss:
        """Return the filter chain that a connection ends in, or where the search stopped."""
        return accept_connection(self.config, connection, explain=explain)

    def stream(
        self,
        chain: HttpChain,
        request: Request,
        draws: Draws,
        *,
        explain: bool = False,
        forced: Forced | None = None,
        connection: Connection | None = None,
    ) -> Stream:
        """Return the machine for one request on a connection that ended in `chain`."""
        return Stream(
            chain,
            request,
            draws,
            routes=self.config.routes,
            upstreams=self.upstreams,
            lasting=self._lasting,
            connection=connection,
            explain=explain,
            forced=forced or NOTHING_FORCED,
        )

    def copy(
        self, copy: Copy, router: RouterConfig, draws: Draws, *, explain: bool = False
    ) -> Stream:
        """Return the machine for a copy that a chain with this `router` has made."""
        return Stream(
            mirror.chain(router),
            mirror.own(copy.request, self.address),
            draws,
            routes={},
            upstreams=self.upstreams,
            lasting=self._lasting,
            explain=explain,
            match=mirror.bare_route(copy),
        )

    def session(
        self,
        chain: TcpChain,
        connection: Connection,
        draws: Draws,
        *,
        forced: Forced | None = None,
    ) -> Session:
        """Return the machine for a connection that ended in `chain`."""
        return Session(
            chain,
            connection,
            draws,
            upstreams=self.upstreams,
            connections=self._connections,
            lasting=self._lasting,
            forced=forced,
        )


def _same_cluster(old: Cluster, new: Cluster) -> bool:
    """Say whether nothing changed but what the endpoint assignment says."""
    if old.endpoints_kind != "endpoints":
        return old == new
    assigned = {
        "endpoints": (),
        "overprovisioning": 0,
        "weighted_priority_health": False,
        "endpoints_resource": "",
        "diagnostics": (),
    }
    return replace(old, **assigned) == replace(new, **assigned)  # type: ignore[arg-type]
