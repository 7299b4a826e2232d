"""One HTTP request inside a proxy: its filters, then the router, until it is answered.

The machine is pure: it is told what happened, and when, and answers with one command
(`simulator.envoy.commands`). `TRANSITIONS` says which event may come when, and where it
leads; once done, every event is ignored.

Models    envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
Follows   envoy/source/common/http/{conn_manager_impl,filter_manager}.cc
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import replace
from typing import TypeVar

from simulator.envoy.access_log import AccessLog, Record
from simulator.envoy.balance import Host
from simulator.envoy.choice import Choice, ask
from simulator.envoy.commands import Command, Finish, Reset, Response, Wait
from simulator.envoy.conn_manager import Refused, admit, may_upgrade, prepare, release
from simulator.envoy.connection import Connection
from simulator.envoy.connection_log import of_connection
from simulator.envoy.draws import NOTHING_FORCED, Draws, Forced
from simulator.envoy.filters import chain as filter_chain
from simulator.envoy.filters.lasting import Lasting
from simulator.envoy.filters.passing import Ask, Change, Find, Hold, Passing
from simulator.envoy.format_commands import End, Facts
from simulator.envoy.header_map import Headers
from simulator.envoy.headers import finalize_response, respond, virtual_cluster
from simulator.envoy.http import HttpChain
from simulator.envoy.internal_redirect import Redirects
from simulator.envoy.lifetime import FOREVER, lifetime
from simulator.envoy.local_reply import Reply
from simulator.envoy.network_filters import authorize
from simulator.envoy.outgoing import with_pseudo_headers
from simulator.envoy.pool import Client, Overflow
from simulator.envoy.reasons import Reasons
from simulator.envoy.request import PLAIN, Request, StreamInfo
from simulator.envoy.route import Action, NoRoute, RouteMatch, RouteTable, unrouted
from simulator.envoy.router import Router
from simulator.envoy.routing import finder
from simulator.envoy.states import REACHED, TRANSITIONS, Event, State, UnexpectedEventError
from simulator.envoy.upgrade import answered
from simulator.envoy.upstream import Upstream
from simulator.envoy.upstream_request import UpstreamRequest
from simulator.observe.explain import Node, below

Reached = TypeVar("Reached", bound=Command)


class Stream:
    """One request; see the module for how it is driven."""

    def __init__(
        self,
        chain: HttpChain,
        request: Request,
        draws: Draws,
        *,
        routes: Mapping[str, RouteTable],
        upstreams: Mapping[str, Upstream],
        lasting: Lasting,
        connection: Connection | None = None,
        explain: bool = False,
        forced: Forced = NOTHING_FORCED,
        match: RouteMatch | None = None,
    ) -> None:
        """Prepare; nothing happens before `start`.

        `upstreams` may change while the stream lives, as clusters come and go. Where a
        `match` is given, the request is the proxy's own and takes that route.
        """
        self.state = State.NEW
        self.flags: list[str] = []
        self.details = ""
        self._chain = chain
        self._request = request
        self._draws = draws
        self._routes = routes
        self._upstreams = upstreams
        self._lasting = lasting
        self._connection = connection
        self._info = PLAIN
        self._forced = forced
        self._reasons = Reasons() if explain else None
        self._match: RouteMatch | NoRoute | None = match
        self._passing: Passing | None = None
        self._upstream: Upstream | None = None
        self._router: Router | None = None
        self._status: int | None = None
        self._response: Response | None = None
        self._redirects = Redirects()
        self.lifetime = FOREVER
        """How long it may last from its start, which tells it; then `on_expiry`."""
        self._started_ns, self._now, self._refused, self._routed_at_all = 0, 0, False, False

    @property
    def waiter(self) -> Stream:
        """Return who waits for a connection."""
        return self

    @property
    def full(self) -> Stream:
        """Return itself: nothing is left out."""
        return self

    @property
    def attempts(self) -> int:
        """Return how often the request was sent upstream."""
        return self._router.attempts if self._router is not None else 0

    @property
    def request(self) -> Request:
        """Return the request as filters and route have it so far."""
        return self._request if self._passing is None else self._passing.request

    @property
    def timeout_ns(self) -> int:
        """Return the route's time-out from the first `Attempt` on, which tells it; 0: none."""
        return self._router.timeout_ns if self._router is not None else 0

    def start(self, now: int) -> Command:
        """Take the request; it is complete."""
        self._take(Event.START, now)
        self._started_ns = now
        return self._reach(self._begin(now))

    def resume(self, now: int) -> Command | None:
        """Go on after a `Wait`."""
        if not self._take(Event.RESUME, now):
            return None
        router = self._router
        return self._reach(self._filter(now) if router is None else router.attempt(now))

    def on_told(self, now: int, response: Response | None) -> Command | None:
        """Take what a service said that a filter has asked; `None`: nothing."""
        if not self._take(Event.TOLD, now):
            return None
        assert self._passing is not None, "a filter has asked"
        self._passing.answer = response
        return self._reach(self._filter(now))

    def on_turn(self, now: int, outcome: Client | Overflow | Reset) -> Command | None:
        """Take the end of waiting for a connection."""
        if not self._take(Event.TURN, now):
            return None
        return self._reach(self.routed.on_turn(now, outcome))

    def on_response(self, now: int, response: Response) -> Command | None:
        """Take an attempt's response."""
        if not self._take(Event.RESPONSE, now):
            return None
        return self._reach(self.routed.on_response(now, response))

    def on_reset(self, now: int, reason: Reset, transport_failure: str = "") -> Command | None:
        """Take the end of an attempt without a response; the transport may say why."""
        if not self._take(Event.RESET, now):
            return None
        return self._reach(self.routed.on_reset(now, reason, transport_failure))

    def on_per_try_timeout(self, now: int) -> Command | None:
        """Give up an attempt that took too long."""
        if not self._take(Event.PER_TRY_TIMEOUT, now):
            return None
        return self._reach(self.routed.on_per_try_timeout(now))

    def on_timeout(self, now: int) -> Finish | None:
        """Give up the request, which took too long."""
        if not self._take(Event.TIMEOUT, now):
            return None
        return self._reach(self.routed.on_timeout(now))

    def on_expiry(self, now: int) -> Finish | None:
        """Give up a stream that lasts, or idles, too long."""
        if not self._take(Event.EXPIRY, now):
            return None
        self._abandon(now)
        if self._reasons is not None:
            self._reasons.expiry(self.lifetime)
        self.flag(self.lifetime.flag)
        return self._reach(self._finish_local(self.lifetime.reply, self.lifetime.details))

    def _abandon(self, now: int) -> None:
        if self._router is not None:
            self._router.end_attempt(now, None, failure=Reset.LOCAL_RESET)

    def on_disconnect(self, now: int) -> Finish | None:
        """Give up the request, whose client is gone."""
        if not self._take(Event.DISCONNECT, now):
            return None
        self._abandon(now)
        self.flag("DC")
        return self._reach(self._finish(None, "downstream_remote_disconnect"))

    def record(self) -> Record:
        """Return what the access log would say, so far."""
        match, router = self._match, self._router
        routed = match if isinstance(match, RouteMatch) else None
        sending, sent = (router.sending, router.sent_request) if router else (None, None)
        return Record(
            route=(routed.route.name or None) if routed else None,
            virtual_host=match.virtual_host.name if match and match.virtual_host else None,
            cluster=self._upstream.cluster.name if self._upstream else None,
            endpoint=sending.host.endpoint.key if sending is not None else None,
            attempts=self.attempts,
            flags=tuple(self.flags),
            details=self.details,
            status=self._status,
            request_headers_upstream=None if sent is None else with_pseudo_headers(sent),
        )

    def entries(
        self, now: int, of_listener: Iterable[AccessLog] = ()
    ) -> Iterator[tuple[AccessLog, Facts]]:
        """Yield the access logs that are due at the end, and what they speak of."""
        if not self._refused:
            facts = self.facts(now)
            for one in self._chain.access_logs:
                yield one, facts
        for one in of_listener:
            times = self._started_ns, now, self._lasting.epoch_ns
            why = self.details if self._refused else ""
            yield one, of_connection(self._connection, times, self._chain.filter_chain, why)

    def facts(self, now: int) -> Facts:
        """Return what an access log may speak of, and what is counted."""
        match, response = self._match, self._response
        sent = self._router.sent_request if self._router is not None else None
        return Facts(
            request=sent or self.request,
            response_headers=response.headers if response is not None else (),
            info=self._info,
            route_name=match.route.name if isinstance(match, RouteMatch) else "",
            cluster=self._upstream.cluster.name if self._upstream else "",
            status=response.status if response is not None else None,
            end=self._end(now),
        )

    def _end(self, now: int) -> End:
        match, upstream, response = self._match, self._upstream, self._response
        routed = match if isinstance(match, RouteMatch) else None
        virtual = virtual_cluster(routed, self.request) if routed else None
        rest = "other" if routed and routed.virtual_host.virtual_clusters else ""
        end = End(
            log_type="DownstreamEnd",
            started_ns=self._started_ns,
            ended_ns=now,
            wall_ns=self._lasting.epoch_ns,
            protocol="HTTP/1.1",
            flags=tuple(self.flags),
            details=self.details,
            cluster=upstream.cluster if upstream else None,
            received_bytes=len(self._request.body.encode()),
            sent_bytes=len(response.body.encode()) if response is not None else 0,
            filter_chain=self._chain.filter_chain,
            virtual_host=routed.virtual_host.name if routed else "",
            virtual_cluster=virtual,
            counted_as=virtual or rest,
            routed=self._routed_at_all,
            redirected=bool(routed and routed.route.action is Action.REDIRECT),
        )
        return self._router.told(end) if self._router is not None else end

    @property
    def node(self) -> Node | None:
        """Return why all this happened; absent unless asked for."""
        if self._reasons is None:
            return None
        return self._reasons.tree(self.request, self._status, self.details)

    def answer(
        self, status: int, body: str, flag: str, details: str, headers: Headers = ()
    ) -> Finish:
        """End with an answer of the proxy's own."""
        self.flag(flag)
        return self._finish_local(Reply(status=status, body=body, headers=headers), details)

    def forward(self, response: Response) -> Finish:
        """End with an endpoint's response."""
        headers = self._finalized(self.routed.match, response.status, response.headers)
        said = replace(response, headers=headers)
        return self._finish(*answered(self.routed.passing.request.headers, said))

    def redirect(self, now: int, response: Response) -> Wait | None:
        """Begin anew where a response leads to, if the proxy is to follow it."""
        router = self.routed
        request = self._redirects.follow(router.passing, router.match, response)
        if request is None:
            self._match = router.passing.match
            return None
        self._lasting.faults.leave(router.passing)
        router.release()
        self.flags, self._router = [], None
        self._enter(request, router.passing.find)
        return Wait(until_ns=now, anew=True)

    def flag(self, flag: str) -> None:
        """Set a response flag."""
        if flag and flag not in self.flags:
            self.flags.append(flag)

    @property
    def routed(self) -> Router:
        """Return what sends the request upstream."""
        assert self._router is not None, "only a routed request is sent"
        return self._router

    def twin(self, draws: Draws) -> Stream:
        """Return a stream that is about to make the first attempt that this one has made."""
        passing = self._passing
        assert passing is not None, "it has made an attempt"
        twin, passing = copy(self), passing.twin(draws)
        router = self.routed.twin(passing, twin)
        twin.flags = passing.flags
        twin._draws, twin._passing, twin._router = draws, passing, router  # noqa: SLF001 - its own class
        return twin

    def dispatch(self, now: int, upstream: Upstream, host: Host | None) -> Command:
        """Make the first attempt of a twin, at a host that was chosen for it."""
        self._begin_again(now)
        if host is not None:
            self.routed.choice.note(host)
        return self._reach(self.routed.dispatch(now, upstream, host))

    def attempt(self, now: int) -> Command:
        """Make the first attempt of a twin."""
        self._begin_again(now)
        return self._reach(self.routed.attempt(now))

    def adopt(self, begun_ns: int, sending: UpstreamRequest, request: Request | None) -> None:
        """Take over, as a twin, a first attempt that is under way; without a request, it waits."""
        self._begin_again(begun_ns)
        self.routed.adopt(sending, request)
        self.state = State.QUEUED if request is None else State.AWAITING

    def _begin_again(self, now: int) -> None:
        self._started_ns = self._now = now
        self.routed.begin(now)

    def _begin(self, now: int) -> Command:
        given = self._match
        if given is not None:
            self._enter(self._request, lambda _request, _info: given)
            return self._filter(now)
        refusal = authorize(self._chain.network_filters, self._connection)
        if refusal is not None:
            self._refused = True
            if self._reasons is not None:
                self._reasons.add(refusal.node)
            return self._finish(None, refusal.details)
        prepared = prepare(self._chain, self._request, self._connection)
        if isinstance(prepared, Refused):
            return self._refuse(prepared)
        self._request = prepared
        table = self._chain.route_table(self._routes)
        if table is None:
            return self.answer(404, "", "NR", "route_configuration_not_found")
        draws, connection, internal = self._draws, self._connection, table.internal_only_headers
        admitted = admit(self._chain, prepared, connection, draws, internal)
        self._info = StreamInfo(
            source_address=admitted.client,
            connection=connection,
            trace_forced=admitted.trace_forced,
            start_ns=self._lasting.epoch_ns + now,
        )
        find = finder(table, draws.stream, self._forced, explain=self._reasons is not None)
        self._enter(admitted.request, find)
        if not may_upgrade(self._chain, admitted.request.headers, self._match):
            return self.answer(403, "", "", "upgrade_failed")
        return self._filter(now)

    def _enter(self, request: Request, find: Find) -> None:
        """Set a request before the filters, on the route that `find` finds."""
        self._match = find(request, self._info)
        self.lifetime, request = lifetime(self._chain, self._match, request)
        self._passing = self._passage(request, self._match, find)
        if isinstance(self._match, RouteMatch):
            self._upstream = self._upstreams.get(self._match.cluster or "")
        if self._reasons is not None:
            self._reasons.add(self._match.node)

    def _passage(self, request: Request, match: RouteMatch | NoRoute, find: Find) -> Passing:
        return Passing(
            request=request,
            info=self._info,
            match=match,
            find=find,
            draws=self._draws,
            lasting=self._lasting,
            forced=self._forced,
            flags=self.flags,
            reasons=self._reasons,
            field=self._chain.field,
            upstreams=self._upstreams,
        )

    def _filter(self, now: int) -> Command:
        """Pass the filters from where the stream stands to the router."""
        passing = self._passing
        assert passing is not None, "a started stream is among its filters"
        passing.now = now
        verdict = filter_chain.decode(self._chain.filters, passing)
        self._info = passing.info
        if passing.match is not self._match:
            self._match = passing.match
            self._upstream = self._upstreams.get(passing.cluster or "")
        if verdict is None:
            return self._route(now, passing)
        if isinstance(verdict, Hold):
            return Wait(until_ns=verdict.until_ns)
        if isinstance(verdict, Ask):
            call = ask(now, verdict, self._upstreams, self._draws)
            if call is not None:
                return call
            passing.answer = None
            return self._filter(now)
        self.flag(verdict.flag)
        if verdict.as_it_is:
            return self._finish(verdict.bare, verdict.details)
        return self._finish_local(verdict.reply, verdict.details, verdict.change)

    def _route(self, now: int, passing: Passing) -> Command:
        self._routed_at_all = True
        match = passing.match
        if isinstance(match, NoRoute):
            return self.answer(404, "", "NR", "route_not_found")
        if match.tls_redirect or match.route.action is not Action.ROUTE:
            return self._say(respond(match, passing.request, info=self._info), "direct_response")
        if self._upstream is None:
            if self._reasons is not None:
                self._reasons.no_cluster(match.cluster or "", below(match.route.field, "route"))
            return self.answer(match.route.cluster_not_found_status, "", "NC", "cluster_not_found")
        choice = Choice(self._draws, self._connection, self._forced.endpoints)
        choice.override = passing.override
        self._router = Router(self._chain.router, passing, match, choice, self)
        return self._router.start(now, self._upstream)

    def _refuse(self, refused: Refused) -> Finish:
        """End a request that met no filter; the answer passes them on its way back."""
        self.flag(refused.flag)
        peer, left = self._connection, refused.left(self._request)
        self._info = StreamInfo(source_address=peer.source_ip if peer else "", connection=peer)
        table = self._chain.route_table(self._routes) if refused.parsed else None
        self._match = given = unrouted(table, left)
        self._passing = self._passage(left, given, lambda _request, _info: given)
        return self._say(refused.reply, refused.details)

    def _finish_local(self, reply: Reply, details: str, change: Change = None) -> Finish:
        match, headers = self._match, reply.headers
        if isinstance(match, RouteMatch) and match.route.action is Action.ROUTE:
            headers = self._finalized(match, 0, headers)  # formats do not know the status yet
        return self._say(replace(reply, headers=change(headers) if change else headers), details)

    def _say(self, reply: Reply, details: str) -> Finish:
        """End with an answer of the proxy's own, rewritten as is configured."""
        self.details, rules, why = details, self._chain.local_reply, self._reasons
        if rules is not None:
            reply = rules.rewritten(reply, self.facts(self._now), why.note if why else None)
        return self._finish(reply.response(self.request), details)

    def _finalized(self, match: RouteMatch, status: int, headers: Headers) -> Headers:
        request, info = self.request, self._info
        return finalize_response(match, headers, request=request, info=info, status=status)

    def _finish(self, response: Response | None, details: str) -> Finish:
        self.details = details
        if self._passing is not None:
            self._lasting.faults.leave(self._passing)
        if self._router is not None:
            self._router.release()
        if response is not None:
            self._status = response.status
            if self._passing is not None:
                response = filter_chain.encode(self._chain.filters, self._passing, response)
            response = release(self._chain, self.request, response)
        self._response = response
        if self._reasons is not None:
            self._reasons.response(self._status, details, self.flags)
        return Finish(
            response=response, flags=tuple(self.flags), details=details, attempts=self.attempts
        )

    def _take(self, event: Event, now: int) -> bool:
        """Return whether an event counts.

        Raises UnexpectedEventError for one that must not come now.
        """
        if event not in TRANSITIONS[self.state]:
            message = f"`{event.value}` while the stream is {self.state.value}"
            raise UnexpectedEventError(message)
        self._now = now
        return self.state is not State.DONE

    def _reach(self, command: Reached) -> Reached:
        """Note where a command leaves the stream."""
        held = isinstance(command, Wait) and self._router is None
        self.state = State.DELAYED if held else REACHED[type(command)]
        return command
