"""Tell why a stream went as it did: the nodes that a learner is shown.

One `Reasons` collects what one stream did; a stream that nobody asks has none.
"""

from __future__ import annotations

from collections.abc import Iterable

from simulator.envoy.balance import Host, Pick
from simulator.envoy.cluster import Cluster, Endpoint, Health, Thresholds
from simulator.envoy.hash_policy import Hashed
from simulator.envoy.lifetime import Lifetime
from simulator.envoy.pool import Limit, Overflow
from simulator.envoy.request import Request
from simulator.envoy.retry import No, Yes
from simulator.envoy.timeout import Timeouts
from simulator.envoy.upstream import Upstream
from simulator.observe.explain import FieldRef, Node, Outcome, below

MILLISECOND = 1_000_000


class Reasons:
    """The decisions of one stream, in order."""

    def __init__(self) -> None:
        self._nodes: list[Node] = []

    def tree(self, request: Request, status: int | None, details: str) -> Node:
        """Return all that was told so far of a request as one node."""
        return Node(
            what="stream",
            name=f"{request.method} {request.authority}{request.path}",
            outcome=Outcome.NOTE,
            reason=f"{status or 'no status'} {details}".strip(),
            children=tuple(self._nodes),
        )

    def add(self, node: Node | None) -> None:
        """Take over a decision that was told elsewhere."""
        if node is not None:
            self._nodes.append(node)

    def response(self, status: int | None, details: str, flags: Iterable[str]) -> None:
        """Tell what the client got; without a status, nothing."""
        told = f"{status}" if status is not None else "none: the connection is closed"
        flagged = ",".join(flags)
        self.note("response", told, f"{details}, flags {flagged}" if flagged else details)

    def note(
        self,
        what: str,
        name: str,
        reason: str,
        field: FieldRef | None = None,
        *,
        outcome: Outcome = Outcome.NOTE,
        children: tuple[Node, ...] = (),
    ) -> None:
        """Tell one thing."""
        self._nodes.append(
            Node(
                what=what, name=name, outcome=outcome, reason=reason, field=field, children=children
            )
        )

    def timeouts(self, timeouts: Timeouts, route: FieldRef) -> None:
        """Tell how long the request may take."""
        if timeouts.route_ms:
            reason = f"the whole request may take {timeouts.route_ms} ms, retries included"
            self.note("time-out", "route", reason, below(route, "route.timeout"))
        field = below(route, "route.retry_policy.per_try_timeout")
        if timeouts.per_try_ms:
            reason = f"each attempt may take {timeouts.per_try_ms} ms"
            self.note("time-out", "per try", reason, field)
        if timeouts.ignored_per_try_ms:
            reason = (
                f"{timeouts.ignored_per_try_ms} ms per attempt is not less than the route's "
                f"{timeouts.route_ms} ms, and so is ignored"
            )
            self.note("time-out", "per try", reason, field, outcome=Outcome.REJECTED)

    def expiry(self, lifetime: Lifetime) -> None:
        """Tell that the stream has lasted as long as it may."""
        how = "nothing has happened for" if lifetime.idle else "it has lasted"
        reason = f"{how} {lifetime.ns // MILLISECOND} ms, which is as long as it may"
        self.note("time-out", "stream", reason, lifetime.field, outcome=Outcome.CHOSEN)

    def hash(self, hashed: Hashed | None, route: FieldRef) -> None:
        """Tell what a request's place among the hosts is made of."""
        if hashed is None:
            reason = "the request has nothing that is hashed; any endpoint may be chosen"
            field = below(route, "route.hash_policy")
            self.note("hash", "none", reason, field, outcome=Outcome.REJECTED)
            return
        made = " and a new cookie" if hashed.set_cookies else ""
        count = len(hashed.fields)
        reason = f"{count} hash polic{'y' if count == 1 else 'ies'} of the route{made} made it"
        self.note("hash", f"{hashed.value:016x}", reason, hashed.fields[0])

    def no_cluster(self, name: str, field: FieldRef) -> None:
        """Tell that the route leads nowhere."""
        reason = "the proxy knows no such cluster"
        self.note("cluster", name, reason, field, outcome=Outcome.REJECTED)

    def no_host(self, upstream: Upstream, missed: str = "") -> None:
        """Tell why a cluster has no endpoint for a request; its subsets may have `missed` it."""
        cluster = upstream.cluster
        none = "no endpoint may serve" if cluster.endpoints else "it has no endpoints"
        reason = missed or none
        self.note(
            "cluster",
            cluster.name,
            reason,
            FieldRef("clusters", cluster.name),
            outcome=Outcome.REJECTED,
            children=tuple(_candidates(upstream, ())),
        )

    def attempt(self, number: int, upstream: Upstream, host: Host, trail: list[Pick]) -> None:
        """Tell where an attempt is sent, and why there."""
        cluster = upstream.cluster
        self.note(
            "attempt",
            str(number),
            f"is sent to {host.endpoint.key} of {cluster.name}",
            FieldRef("clusters", cluster.name),
            children=tuple(_candidates(upstream, trail)),
        )

    def overflow(self, cluster: Cluster, overflow: Overflow, limits: Thresholds) -> None:
        """Tell which circuit breaker refused."""
        what = "are under way" if overflow.limit is Limit.REQUESTS else "wait for a connection"
        reason = f"{overflow.count} requests {what}, which is all it lets through"
        field = FieldRef("clusters", cluster.name, limits.field_path)
        self.note("circuit breaker", overflow.limit.value, reason, field, outcome=Outcome.REJECTED)

    def queued(self, cluster: Cluster, priority: str) -> None:
        """Tell that an attempt waits for a connection."""
        limits = cluster.high_thresholds if priority == "HIGH" else cluster.thresholds
        reason = f"all connections are busy, and {limits.max_connections} are all there may be"
        field = FieldRef("clusters", cluster.name, limits.field_path)
        self.note("circuit breaker", "max_connections", reason, field)

    def retry(self, verdict: Yes | No, event: str, policy: FieldRef | None) -> None:
        """Tell whether another attempt follows, and when."""
        if isinstance(verdict, Yes):
            wait_ms = verdict.delay_ns // MILLISECOND
            reason = (
                f"{event} is retriable ({verdict.condition}); the back-off is {wait_ms} ms, "
                f"drawn from {verdict.floor_ms} to {verdict.ceiling_ms - 1}"
            )
            self.note(
                "retry",
                verdict.condition,
                reason,
                policy and below(policy, "retry_on"),
                outcome=Outcome.CHOSEN,
            )
            return
        reason, leaf = {
            No.NOT_RETRIABLE: (f"{event} is not among what is retried", "retry_on"),
            No.LIMIT_EXCEEDED: (f"{event} would be retried, but no retry is left", "num_retries"),
            No.OVERFLOW: (
                f"{event} would be retried, but too many retries are under way",
                "",
            ),
        }[verdict]
        field = policy and (below(policy, leaf) if leaf else policy)
        self.note("retry", "none", reason, field, outcome=Outcome.REJECTED)


def _candidates(upstream: Upstream, trail: Iterable[Pick]) -> Iterable[Node]:
    cluster = upstream.cluster
    picks = list(trail)
    told = {pick.host.endpoint.key for pick in picks}
    for pick in picks:
        yield Node(
            what="endpoint",
            name=pick.host.endpoint.key,
            outcome=Outcome.CHOSEN if pick.kept else Outcome.REJECTED,
            reason=f"{cluster.lb_policy.value}: {pick.reason}",
            field=endpoint_field(cluster, pick.host.endpoint),
        )
    for endpoint in cluster.endpoints:
        if endpoint.key not in told:
            yield Node(
                what="endpoint",
                name=endpoint.key,
                outcome=Outcome.REJECTED,
                reason=_why_not(upstream.hosts[endpoint.key]),
                field=endpoint_field(cluster, endpoint),
            )


def _why_not(host: Host) -> str:
    if host.ejected:
        return f"was ejected: {host.ejected}"
    if host.failed:
        return f"is kept out by its health checks: {host.failed}"
    health = host.health
    return "not chosen this time" if health is Health.HEALTHY else f"is {health.value}"


def endpoint_field(cluster: Cluster, endpoint: Endpoint) -> FieldRef:
    """Return where an endpoint of a cluster is configured."""
    return FieldRef(cluster.endpoints_kind, cluster.endpoints_resource, endpoint.field_path)
