"""Choose the host of each attempt of one request.

Follows   envoy/source/common/router/router.{h,cc} (the router as LoadBalancerContext)
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

from simulator.envoy.balance import Context, Host, Pick
from simulator.envoy.cluster import Discovery
from simulator.envoy.commands import Call
from simulator.envoy.connection import Connection
from simulator.envoy.draws import Draws
from simulator.envoy.filters.passing import Ask, Override
from simulator.envoy.hash_policy import Hashed, hash_of
from simulator.envoy.header_map import Headers
from simulator.envoy.request import Request, StreamInfo
from simulator.envoy.retry import RetryState
from simulator.envoy.route import RouteMatch
from simulator.envoy.upstream import Upstream


class Choice:
    """What one request remembers from host to host."""

    __slots__ = (
        "_connection",
        "_draws",
        "_forced",
        "_metadata",
        "_tried",
        "hashed",
        "missed",
        "override",
        "owner",
    )

    def __init__(
        self, draws: Draws, connection: Connection | None, forced: tuple[str, ...] | None
    ) -> None:
        """`forced` are the observed hosts, `ip:port`, in order."""
        self._draws = draws
        self._connection = connection
        self._forced = forced or ()
        self._tried: list[Host] = []
        self.hashed: Hashed | None = None
        """The request's hash, where its cluster wants one and it has one."""
        self._metadata: Mapping[str, Any] | None = None
        self.missed = ""
        """Why there was no host, where the cluster can say."""
        self.override: Override | None = None
        """The host that a filter asks for."""
        self.owner: Upstream | None = None
        """Whose the last host was, where the cluster is made of others."""

    def prepare(
        self, match: RouteMatch, upstream: Upstream, request: Request, info: StreamInfo
    ) -> None:
        """Make what leads to the hosts of `upstream`: the request's hash, and its subset."""
        if upstream.hashes:
            self.hashed = hash_of(match.route.hash_policy, request, info, self._connection)
        if upstream.cluster.subsets is not None:
            self._metadata = _metadata(match, info)

    @property
    def missing_status(self) -> int:
        """Return what the client is answered where there is no host."""
        override = self.override
        return override.status if override is not None and not self._tried else 503

    @property
    def set_cookies(self) -> Headers:
        """Return the cookies that the response sets, so that the client comes back."""
        lines = self.hashed.set_cookies if self.hashed is not None else ()
        # Each attempt hashes anew, and so sets them once more.
        return tuple(("set-cookie", line) for line in lines * len(self._tried))

    def host(
        self,
        now: int,
        upstream: Upstream,
        request: Request,
        retries: RetryState | None,
        trail: list[Pick] | None,
    ) -> Host | None:
        """Return the next attempt's host; `retries` are given from the second attempt on."""
        host = self._next(now, upstream, request, retries, trail)
        if host is not None:
            self._tried.append(host)
        return host

    def _next(
        self,
        now: int,
        upstream: Upstream,
        request: Request,
        retries: RetryState | None,
        trail: list[Pick] | None,
    ) -> Host | None:
        if len(self._tried) < len(self._forced):
            host = upstream.named(self._forced[len(self._tried)], "as observed", trail)
            if host is not None:
                return host
        if self.override is not None and not self._tried and retries is None:
            host = upstream.overridden(self.override.address, trail)
            if host is not None or self.override.strict:
                return host
        if upstream.cluster.type is Discovery.ORIGINAL_DST:
            return upstream.original_destination(self._connection, request, trail)
        context = self.context(now, retries)
        host = upstream.choose(self._draws, context, trail)
        self.missed, self.owner = context.missed, context.owner
        return host

    def context(self, now: int, retries: RetryState | None = None) -> Context:
        """Return what an attempt asks of its balancer."""
        context = Context(now=now, hash=self.hashed.value if self.hashed else None)
        if retries is not None:
            context.picks = retries.policy.host_selection_retry_max_attempts + 1
            if retries.avoids_previous_hosts:
                context.avoid = self._tried
        context.metadata = self._metadata
        return context

    def twin(self, draws: Draws) -> Choice:
        """Return what a request like this one remembers before its first attempt."""
        twin = copy(self)
        twin._draws, twin._tried = draws, []  # noqa: SLF001 - its own class
        return twin

    def note(self, host: Host) -> None:
        """Remember a host that was chosen elsewhere."""
        self._tried.append(host)


def _metadata(match: RouteMatch, info: StreamInfo) -> Mapping[str, Any]:
    """Return what endpoints are to have; what filters left behind counts most."""
    weighted = match.weighted.metadata_match if match.weighted is not None else None
    return {
        **(match.route.metadata_match or {}),
        **(weighted or {}),
        **info.metadata.get("envoy.lb", {}),
    }


def ask(now: int, question: Ask, upstreams: Mapping[str, Upstream], draws: Draws) -> Call | None:
    """Return the call that a filter's question becomes; `None` if nobody can be asked."""
    upstream = upstreams.get(question.cluster)
    context = Context(now=now)
    host = None if upstream is None else upstream.choose(draws, context)
    if host is None:
        return None
    return Call(
        cluster=context.owner.cluster.name if context.owner else question.cluster,
        endpoint=host.endpoint,
        request=question.request,
        timeout_ns=question.timeout_ns,
    )
