"""A request on its way through the HTTP filters of a chain, and what a filter may say of it.

Follows   envoy/envoy/http/filter.h (StreamDecoderFilterCallbacks)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from simulator.envoy.balance import Host
from simulator.envoy.commands import Response
from simulator.envoy.draws import Draws, Forced
from simulator.envoy.filters.lasting import Lasting
from simulator.envoy.format_commands import Facts
from simulator.envoy.header_map import Headers
from simulator.envoy.local_reply import Reply
from simulator.envoy.reasons import Reasons
from simulator.envoy.request import Request, StreamInfo
from simulator.envoy.route import NoRoute, RouteMatch
from simulator.envoy.upstream import Upstream
from simulator.observe.explain import FieldRef, Node, Outcome

Change: TypeAlias = Callable[[Headers], Headers] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The filter answers the request itself; no later filter sees it."""

    status: int
    details: str
    body: str = ""
    flag: str = ""
    headers: Headers = ()
    grpc_status: int | None = None
    """For a gRPC client, where it is not the one that follows from `status`."""
    change: Change = None
    """What the filter makes of the answer's headers, after the route."""
    as_it_is: bool = False
    """Whether neither the route nor the client's being one of gRPC changes it."""

    @property
    def bare(self) -> Response:
        """Return an answer that is sent as it is."""
        return Response(status=self.status, headers=self.headers)

    @property
    def reply(self) -> Reply:
        """Return the answer, before the route or the filter changes its headers."""
        return Reply(
            status=self.status,
            body=self.body,
            headers=self.headers,
            grpc_status=self.grpc_status,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """The filter holds the request back, and is asked again at `until_ns`."""

    until_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """The filter asks a service, and is called again with `Passing.answer`."""

    cluster: str
    request: Request
    timeout_ns: int
    """0: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A host that a filter asks for, in place of the balancer's choice."""

    address: str
    """`ip:port`"""
    strict: bool
    """Whether no other will do."""
    status: int = 503
    """What the client is answered then."""


Verdict: TypeAlias = Answer | Hold | Ask
"""What stops a request at a filter; `None` lets it go on."""


Find: TypeAlias = Callable[[Request, StreamInfo], RouteMatch | NoRoute]
"""How a request's route is found."""


@dataclass(slots=True, kw_only=True, eq=False)
class Passing:
    """One request among the filters, which read and change it."""

    request: Request
    info: StreamInfo
    match: RouteMatch | NoRoute
    find: Find
    """Looks for the route anew."""
    draws: Draws
    lasting: Lasting
    forced: Forced
    flags: list[str]
    reasons: Reasons | None
    field: FieldRef
    """Where the filter at work is configured."""
    upstreams: Mapping[str, Upstream]
    """What requests can be sent to, by cluster."""
    name: str = ""
    """Its name, by which routes speak of it."""
    now: int = 0
    at: int = 0
    """The filter at work, by its place in the chain."""
    own: Any = None
    """What the route says about it: the most specific configuration, if any."""
    answer: Response | None = None
    """What the service said that the filter at work has asked; `None`: nothing."""
    override: Override | None = None
    host: Host | None = None
    """The last one that the request was sent to."""
    memory: dict[int, Any] = dataclasses.field(default_factory=dict)
    """What a filter remembers of this request, by the filter's place."""

    @property
    def cluster(self) -> str | None:
        """Return the cluster that the request is to be sent to, as far as it is known."""
        return self.match.cluster if isinstance(self.match, RouteMatch) else None

    def facts(self, response: Response | None = None) -> Facts:
        """Return what format strings of filters may speak of."""
        match = self.match
        return Facts(
            request=self.request,
            info=self.info,
            route_name=match.route.name if isinstance(match, RouteMatch) else "",
            cluster=self.cluster or "",
            response_headers=response.headers if response is not None else (),
            # There is no status yet where there is no response; filters see what was meant.
            status=(response.meant or response.status) if response is not None else 0,
        )

    @property
    def cluster_metadata(self) -> Mapping[str, Any]:
        """Return the metadata of that cluster, by filter name."""
        upstream = self.upstreams.get(self.cluster or "")
        return upstream.cluster.metadata if upstream is not None else {}

    def twin(self, draws: Draws) -> Passing:
        """Return a request like this one, with chances of its own."""
        return replace(self, draws=draws, flags=list(self.flags), memory=dict(self.memory))

    def flag(self, flag: str) -> None:
        """Set a response flag."""
        if flag not in self.flags:
            self.flags.append(flag)

    def set_metadata(self, name: str, values: Mapping[str, Any]) -> None:
        """Add to the dynamic metadata of a filter; what is there under a key is replaced."""
        if values:
            merged = {**self.info.metadata.get(name, {}), **values}
            self.info = replace(self.info, metadata={**self.info.metadata, name: merged})

    def clear_route(self) -> None:
        """Have the route looked for again, for the request as it is now."""
        self.match = self.find(self.request, self.info)
        if self.reasons is not None:
            self.reasons.add(self.match.node)

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
        """Tell a learner what the filter did, if one asks."""
        if self.reasons is not None:
            at = field or self.field
            self.reasons.note(what, name, reason, at, outcome=outcome, children=children)
