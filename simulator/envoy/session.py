"""One connection inside a TCP proxy: which cluster and endpoint its bytes go to.

Models    envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
Follows   envoy/source/common/tcp_proxy/tcp_proxy.cc
Leaves    idle time-outs, further connect attempts, circuit breakers of connections
          (docs/fidelity.md#tcp-proxy)
"""

from __future__ import annotations

from collections.abc import Mapping

from simulator.envoy.access_log import Record
from simulator.envoy.balance import Context, Host
from simulator.envoy.cluster import Discovery, Endpoint
from simulator.envoy.connection import Connection
from simulator.envoy.draws import NOTHING_FORCED, Draws, Forced
from simulator.envoy.request import Request
from simulator.envoy.tcp import TcpChain
from simulator.envoy.upstream import Upstream
from simulator.observe.explain import FieldRef, Node, Outcome

_BYTES = Request(method="", authority="", path="")
"""To a TCP proxy a request is bytes: no header can name a destination."""


class Session:
    """One connection; `start` it, then `end` it or tell of its `failure`."""

    def __init__(
        self,
        chain: TcpChain,
        connection: Connection,
        draws: Draws,
        *,
        upstreams: Mapping[str, Upstream],
        forced: Forced | None = None,
    ) -> None:
        self._chain = chain
        self._connection = connection
        self._draws = draws
        self._upstreams = upstreams
        self._forced = forced or NOTHING_FORCED
        self._cluster: str | None = None
        self._host: Host | None = None
        self._flags: tuple[str, ...] = ()
        self._attempts = 0

    def start(self) -> Endpoint | None:
        """Return where to connect to, or `None` if there is nothing and the client is cut off."""
        drawn = self._draws.next("tcp cluster") if len(self._chain.clusters) > 1 else 0
        self._cluster = self._forced.cluster or self._chain.cluster(drawn)
        upstream = self._upstreams.get(self._cluster)
        if upstream is None:
            self._flags = ("NC",)
            return None
        self._host = self._choose(upstream)
        if self._host is None:
            self._flags = ("UH",)
            return None
        self._attempts = 1
        self._host.active += 1
        return self._host.endpoint

    def end(self) -> None:
        """Take the end of the connection, whoever closed it."""
        if self._host is not None:
            self._host.active -= 1

    def failure(self) -> None:
        """Take the endpoint's refusal; one attempt is all that there is."""
        self._flags = ("UF", "URX")
        self.end()

    def record(self) -> Record:
        """Return what the access log would say."""
        return Record(
            route=None,
            virtual_host=None,
            cluster=self._cluster,
            endpoint=self._host.endpoint.key if self._host else None,
            attempts=self._attempts,
            flags=self._flags,
            details="",
            status=None,
            request_headers_upstream=None,
        )

    @property
    def node(self) -> Node:
        """Return what happened to the connection, as far as it went."""
        name = self._cluster or ""
        reason = "no such cluster" if "NC" in self._flags else "the TCP proxy names it"
        found = [
            Node(
                what="cluster",
                name=name,
                outcome=Outcome.REJECTED if "NC" in self._flags else Outcome.CHOSEN,
                reason=reason,
                field=FieldRef("clusters", name),
            )
        ]
        if self._host is not None:
            key = self._host.endpoint.key
            reason = "the connection goes there, whatever the bytes say"
            found.append(Node(what="endpoint", name=key, outcome=Outcome.CHOSEN, reason=reason))
        return Node(
            what="connection",
            name=f"{self._connection.address}:{self._connection.port}",
            outcome=Outcome.NOTE,
            reason=f"is carried as TCP{' with ' + ','.join(self._flags) if self._flags else ''}",
            field=self._chain.field,
            children=tuple(found),
        )

    def _choose(self, upstream: Upstream) -> Host | None:
        forced = self._forced.endpoints
        host = upstream.named(forced[0], "as observed", None) if forced else None
        if host is not None:
            return host
        if upstream.cluster.type is Discovery.ORIGINAL_DST:
            return upstream.original_destination(self._connection, _BYTES, None)
        return upstream.choose(self._draws, Context())
