"""One connection inside a TCP proxy: which cluster and endpoint its bytes go to.

Models    envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
Follows   envoy/source/common/tcp_proxy/tcp_proxy.cc
Leaves    tunneling (docs/fidelity.md#tcp-proxy)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from simulator.envoy.access_log import AccessLog, Record
from simulator.envoy.balance import Context, Host
from simulator.envoy.cluster import Discovery, Endpoint
from simulator.envoy.commands import Reset
from simulator.envoy.connection import Connection
from simulator.envoy.draws import NOTHING_FORCED, Draws, Forced
from simulator.envoy.filters.lasting import Lasting
from simulator.envoy.format_commands import End, Facts
from simulator.envoy.local_reply import usual_failure
from simulator.envoy.network_filters import Connections, Refusal, authorize, named_cluster
from simulator.envoy.request import BYTES, StreamInfo
from simulator.envoy.resources import Resources
from simulator.envoy.tcp import TcpChain
from simulator.envoy.transport import ClientTls
from simulator.envoy.upstream import Upstream
from simulator.observe.explain import FieldRef, Node, Outcome


class Session:
    """One connection; `start` it, then `end` it or tell of a `failure`."""

    def __init__(
        self,
        chain: TcpChain,
        connection: Connection,
        draws: Draws,
        *,
        upstreams: Mapping[str, Upstream],
        connections: Connections,
        lasting: Lasting,
        forced: Forced | None = None,
    ) -> None:
        self._chain = chain
        # Where TLS passes through, nobody has shown who they are.
        self._connection = connection if chain.tls else replace(connection, peer=None)
        self._draws = draws
        self._upstreams = upstreams
        self._connections = connections
        self._lasting = lasting
        self._started_ns = 0
        self._tried: list[str] = []
        self._transport_failure = ""
        self._forced = forced or NOTHING_FORCED
        self._cluster: str | None = None
        self._host: Host | None = None
        self._owner: Upstream | None = None
        """Whose host it is."""
        self._flags: tuple[str, ...] = ()
        self._resources: Resources | None = None
        """Where its connection to an endpoint counts."""
        self._attempts = 0
        self._entered = False
        self._refusal: Refusal | None = None

    def start(self, now: int) -> Endpoint | None:
        """Return where to connect to, or `None` if there is nothing and the client is cut off."""
        filters = self._chain.filters
        self._started_ns = now
        self._refusal = self._connections.enter(filters, now)
        if self._refusal is not None:
            self._flags = self._refusal.flags
            return None
        self._entered = True
        drawn = self._draws.next("tcp cluster") if len(self._chain.clusters) > 1 else 0
        named = named_cluster(filters, self._connection)
        self._cluster = self._forced.cluster or named or self._chain.cluster(drawn)
        endpoint = self._connect()
        if endpoint is not None:
            self._refusal = authorize(filters, self._connection)
            if self._refusal is not None:
                self.end()
                return None
        return endpoint

    def _connect(self) -> Endpoint | None:
        upstream = self._upstreams.get(self._cluster or "")
        if upstream is None:
            self._flags = ("NC",)
            self._leave()
            return None
        resources = upstream.resources("DEFAULT")
        if resources.connections >= resources.limits.max_connections:
            self._flags = ("UO",)
            self._leave()
            return None
        self._host = self._choose(upstream)
        if self._host is None:
            self._flags = ("UH",)
            self._leave()
            return None
        self._attempts += 1
        self._tried.append(self._host.endpoint.key)
        self._host.active += 1
        resources.connections += 1
        self._resources = resources
        return self._host.endpoint

    def _release(self) -> None:
        """Give back what a connection to an endpoint holds."""
        if self._host is not None:
            self._host.active -= 1
        if self._resources is not None:
            self._resources.connections -= 1
            self._resources = None

    @property
    def tls(self) -> ClientTls | None:
        """Return how the endpoint is spoken to; None: as the client speaks."""
        upstream = self._owner or self._upstreams.get(self._cluster or "")
        if upstream is None or self._host is None:
            return None
        return upstream.cluster.tls(self._host.endpoint)

    def end(self) -> None:
        """Take the end of the connection, whoever closed it."""
        self._release()
        self._leave()

    def failure(self) -> Endpoint | None:
        """Take an endpoint's refusal; return where to connect to now, if anywhere."""
        self._release()
        self._transport_failure = usual_failure(Reset.REMOTE_CONNECTION_FAILURE)
        if self._attempts < self._chain.max_connect_attempts:
            return self._connect()
        self._flags = ("UF", "URX")
        self._leave()
        return None

    def _leave(self) -> None:
        if self._entered:
            self._entered = False
            self._connections.leave(self._chain.filters)

    def record(self) -> Record:
        """Return what the access log would say."""
        return Record(
            route=None,
            virtual_host=None,
            cluster=None if "NC" in self._flags else self._cluster,
            endpoint=self._host.endpoint.key if self._host else None,
            attempts=self._attempts,
            flags=self._flags,
            details=self._refusal.details if self._refusal is not None else "",
            status=None,
            request_headers_upstream=None,
        )

    def entries(
        self, now: int, of_listener: Iterable[AccessLog] = ()
    ) -> Iterator[tuple[AccessLog, Facts]]:
        """Yield the access logs that are due at the end, and what they speak of."""
        end = self._end(now)
        for one in self._chain.access_logs:
            yield one, self._facts(end)
        for one in of_listener:
            yield one, self._facts(replace(end, log_type="NotSet"))

    def facts(self, now: int) -> Facts:
        """Return what an access log may speak of, and what is counted."""
        return self._facts(self._end(now))

    def _facts(self, end: End) -> Facts:
        info = StreamInfo(
            source_address=self._connection.source_ip,
            connection=self._connection,
            start_ns=end.wall_ns + self._started_ns,
        )
        return Facts(
            request=BYTES, info=info, cluster=end.cluster.name if end.cluster else "", end=end
        )

    def _end(self, now: int) -> End:
        found = self._upstreams.get(self._cluster or "")
        host = self._host.endpoint if self._host else None
        connected = found is not None and host is not None and "UF" not in self._flags
        return End(
            log_type="TcpConnectionEnd",
            started_ns=self._started_ns,
            ended_ns=now,
            wall_ns=self._lasting.epoch_ns,
            flags=self._flags,
            termination=self._refusal.details if self._refusal is not None else "",
            attempts=self._attempts,
            cluster=found.cluster if found is not None else None,
            host=host,
            connected=connected,
            reached=tuple(dict.fromkeys(self._tried)),
            transport_failure=self._transport_failure,
            local_address=found.from_address(self._lasting.address) if found and connected else "",
            filter_chain=self._chain.filter_chain,
        )

    @property
    def node(self) -> Node:
        """Return what happened to the connection, as far as it went."""
        refused = (self._refusal.node,) if self._refusal is not None else ()
        if self._cluster is None:
            return self._told(refused)
        name = self._cluster
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
        return self._told((*found, *refused))

    def _told(self, children: tuple[Node, ...]) -> Node:
        end = "is closed" if self._refusal is not None else "is carried as TCP"
        return Node(
            what="connection",
            name=f"{self._connection.address}:{self._connection.port}",
            outcome=Outcome.NOTE,
            reason=f"{end}{' with ' + ','.join(self._flags) if self._flags else ''}",
            field=self._chain.field,
            children=children,
        )

    def _choose(self, upstream: Upstream) -> Host | None:
        forced = self._forced.endpoints or ()
        at = self._attempts
        host = upstream.named(forced[at], "as observed", None) if at < len(forced) else None
        if host is not None:
            return host
        if upstream.cluster.type is Discovery.ORIGINAL_DST:
            return upstream.original_destination(self._connection, BYTES, None)
        context = Context()
        host = upstream.choose(self._draws, context)
        self._owner = context.owner or upstream
        return host
