"""One HTTP request inside a proxy: its filters, then the router, until it is answered.

The machine is pure: it is told what happened, and when, and answers with one command
(`simulator.envoy.commands`). `TRANSITIONS` says which event may come when, and where it
leads; once done, every event is ignored.

Models    envoy.extensions.filters.http.router.v3.Router, RouteAction
Follows   envoy/source/common/router/{router.cc,upstream_request.cc}
Leaves    hedging, mirrors, internal redirects, resets of a response that has begun
          (docs/fidelity.md#router)
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from simulator.envoy import retry, timeout
from simulator.envoy.access_log import Record
from simulator.envoy.balance import Pick
from simulator.envoy.choice import Choice, ask
from simulator.envoy.commands import Attempt, Command, Finish, Queued, Reset, Response, Wait
from simulator.envoy.conn_manager import Refused, admit, prepare, release
from simulator.envoy.connection import Connection
from simulator.envoy.draws import NOTHING_FORCED, Draws, Forced
from simulator.envoy.filters import chain as filter_chain
from simulator.envoy.filters.lasting import Lasting
from simulator.envoy.filters.passing import Ask, Hold, Passing
from simulator.envoy.header_map import Headers, first, replaced, with_headers, without
from simulator.envoy.headers import finalize_request, finalize_response, respond
from simulator.envoy.http import HttpChain
from simulator.envoy.local_reply import reply, told_of_reset
from simulator.envoy.network_filters import authorize
from simulator.envoy.outgoing import addressed, counted, repeated, with_pseudo_headers
from simulator.envoy.outlier import Result, status_of
from simulator.envoy.pool import Client, Overflow
from simulator.envoy.reasons import Reasons, below
from simulator.envoy.request import PLAIN, Request, StreamInfo
from simulator.envoy.route import Action, NoRoute, RouteMatch, RouteTable
from simulator.envoy.routing import route_of
from simulator.envoy.states import TRANSITIONS, Event, State, UnexpectedEventError
from simulator.envoy.timeout import MILLISECOND, Timeouts
from simulator.envoy.upstream import Upstream
from simulator.envoy.upstream_request import UpstreamRequest
from simulator.observe.explain import Node

_ALT_RESPONSE = "x-envoy-upstream-rq-timeout-alt-response"


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
    ) -> None:
        """Prepare; nothing happens before `start`.

        `upstreams` may change while the stream lives, as clusters come and go.
        """
        self.state = State.NEW
        self.timeout_ns: int | None = None
        """The route's time-out, known with the first `Attempt`, and counted from it; 0: none."""
        self.attempts = 0
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
        self._match: RouteMatch | NoRoute | None = None
        self._passing: Passing | None = None
        self._complete_at = 0
        self._upstream: Upstream | None = None
        self._sending: UpstreamRequest | None = None
        self._retry: retry.RetryState | None = None
        self._timeouts = Timeouts(route_ms=0, per_try_ms=0)
        self._timeout_status = 504
        self._sent = False
        self._sent_request: Request | None = None
        self._status: int | None = None
        self._options = chain.router
        self._choice = Choice(draws, connection, forced.endpoints)

    def start(self, now: int) -> Command:
        """Take the request; it is complete."""
        self._take(Event.START)
        refusal = authorize(self._chain.network_filters, self._connection)
        if refusal is not None:
            if self._reasons is not None:
                self._reasons.add(refusal.node)
            return self._finish(None, refusal.details)
        prepared = prepare(self._chain, self._request, self._connection)
        if isinstance(prepared, Refused):
            self._flag(prepared.flag)
            response = reply(self._request, prepared.status, prepared.body, prepared.headers)
            return self._finish(response, prepared.details)
        self._request = prepared
        table = self._chain.route_table(self._routes)
        if table is None:
            return self._answer(404, "", "NR", "route_configuration_not_found")
        draws, connection = self._draws, self._connection
        admitted = admit(self._chain, prepared, connection, draws, table.internal_only_headers)
        self._request = admitted.request
        self._info = StreamInfo(source_address=admitted.client, connection=connection)
        forced, explain = self._forced, self._reasons is not None
        find = partial(
            route_of, table, random=draws.stream, cluster=forced.cluster, explain=explain
        )
        self._passing = Passing(
            request=self._request,
            info=self._info,
            match=find(self._request, self._info),
            find=find,
            draws=draws,
            lasting=self._lasting,
            forced=forced,
            flags=self.flags,
            reasons=self._reasons,
            field=self._chain.field,
            upstreams=self._upstreams,
        )
        self._match = self._passing.match
        if isinstance(self._match, RouteMatch):
            self._upstream = self._upstreams.get(self._match.cluster or "")
        if self._reasons is not None:
            self._reasons.add(self._match.node)
        return self._filter(now)

    def resume(self, now: int) -> Command | None:
        """Go on after a `Wait`."""
        delayed = self.state is State.DELAYED
        if not self._take(Event.RESUME):
            return None
        return self._filter(now) if delayed else self._attempt(now)

    def on_told(self, now: int, response: Response | None) -> Command | None:
        """Take what a service said that a filter has asked; `None`: nothing."""
        if not self._take(Event.TOLD):
            return None
        assert self._passing is not None, "a filter has asked"
        self._passing.answer = response
        return self._filter(now)

    def on_turn(self, now: int, outcome: Client | Overflow | Reset) -> Command | None:
        """Take the end of waiting for a connection."""
        if not self._take(Event.TURN):
            return None
        assert self._sending is not None, "only an attempt waits"
        self._sending.take(outcome)
        return self._connected(now, outcome)

    def on_response(self, now: int, response: Response) -> Command | None:
        """Take an attempt's response."""
        if not self._take(Event.RESPONSE):
            return None
        counted = status_of(response.status, first(response.headers, "grpc-status"))
        self._end_attempt(now, Result.ANSWERED, counted)
        again = self._try_again(
            now,
            self._retry.on_headers(response, self._draws) if self._retry else None,
            f"the response {response.status}",
        )
        return again or self._forward(now, response)

    def on_reset(self, now: int, reason: Reset, transport_failure: str = "") -> Command | None:
        """Take the end of an attempt without a response; the transport may say why."""
        if not self._take(Event.RESET):
            return None
        self._end_attempt(now, Result.FAILED, failure=reason)
        return self._after_reset(now, reason, transport_failure)

    def on_per_try_timeout(self, now: int) -> Command | None:
        """Give up an attempt that took too long."""
        if not self._take(Event.PER_TRY_TIMEOUT):
            return None
        self._end_attempt(now, Result.TIMED_OUT, self._timeout_status, Reset.LOCAL_RESET)
        self._sent = True
        again = self._try_again(
            now,
            self._retry.on_reset(Reset.LOCAL_RESET, self._draws, sent=True)
            if self._retry
            else None,
            f"no response within {self._timeouts.per_try_ms} ms",
        )
        return again or self._time_out("upstream_per_try_timeout")

    def on_timeout(self, now: int) -> Finish | None:
        """Give up the request, which took too long."""
        if not self._take(Event.TIMEOUT):
            return None
        self._end_attempt(now, Result.TIMED_OUT, self._timeout_status, Reset.LOCAL_RESET)
        return self._time_out("response_timeout")

    def on_disconnect(self, now: int) -> Finish | None:
        """Give up the request, whose client is gone."""
        if not self._take(Event.DISCONNECT):
            return None
        self._end_attempt(now, None, failure=Reset.LOCAL_RESET)
        self._flag("DC")
        return self._finish(None, "downstream_remote_disconnect")

    def record(self) -> Record:
        """Return what the access log would say, so far."""
        match = self._match
        routed = match if isinstance(match, RouteMatch) else None
        sent = self._sent_request
        return Record(
            route=(routed.route.name or None) if routed else None,
            virtual_host=match.virtual_host.name if match and match.virtual_host else None,
            cluster=self._upstream.cluster.name if self._upstream else None,
            endpoint=self._sending.host.endpoint.key if self._sending else None,
            attempts=self.attempts,
            flags=tuple(self.flags),
            details=self.details,
            status=self._status,
            request_headers_upstream=None if sent is None else with_pseudo_headers(sent),
        )

    @property
    def node(self) -> Node | None:
        """Return why all this happened; absent unless asked for."""
        if self._reasons is None:
            return None
        request = self._request
        summary = f"{self._status or 'no status'} {self.details}".strip()
        return self._reasons.tree(f"{request.method} {request.authority}{request.path}", summary)

    def _filter(self, now: int) -> Command:
        """Pass the filters from where the stream stands to the router."""
        passing = self._passing
        assert passing is not None, "a started stream is among its filters"
        passing.now = now
        verdict = filter_chain.decode(self._chain.filters, passing)
        self._request, self._info = passing.request, passing.info
        if passing.match is not self._match:
            self._match = passing.match
            self._upstream = self._upstreams.get(passing.cluster or "")
        if verdict is None:
            return self._route(now)
        if isinstance(verdict, Hold):
            self.state = State.DELAYED
            return Wait(until_ns=verdict.until_ns)
        if isinstance(verdict, Ask):
            call = ask(now, verdict, self._upstreams, self._draws)
            if call is not None:
                self.state = State.ASKING
                return call
            passing.answer = None
            return self._filter(now)
        self._flag(verdict.flag)
        response = reply(
            self._request, verdict.status, verdict.body, verdict.headers, verdict.grpc_status
        )
        return self._finish_local(response, verdict.details)

    def _route(self, now: int) -> Command:
        match = self._match
        assert match is not None, "the route is looked for first"
        if isinstance(match, NoRoute):
            return self._answer(404, "", "NR", "route_not_found")
        if match.tls_redirect or match.route.action is not Action.ROUTE:
            return self._finish(respond(match, self._request, info=self._info), "direct_response")
        if self._upstream is None:
            if self._reasons is not None:
                field = below(match.route.field, "route")
                self._reasons.no_cluster(match.cluster or "", field)
            return self._answer(match.route.cluster_not_found_status, "", "NC", "cluster_not_found")
        self._complete_at = now
        request = self._finalize(match)
        if first(request.headers, _ALT_RESPONSE) is not None:
            self._timeout_status = 204
            request = with_headers(request, without(request.headers, {_ALT_RESPONSE}))
        self._retry = retry.start(
            match.route.retry_policy, request, self._upstream.resources(match.route.priority)
        )
        self._request = retry.consume(request)
        self._choice.hash(match.route.hash_policy, self._upstream, self._request, self._info)
        if self._reasons is not None:
            if self._upstream.hashes:
                self._reasons.hash(self._choice.hashed, match.route.field)
            self._reasons.timeouts(self._timeouts, match.route.field)
        return self._attempt(now)

    def _finalize(self, match: RouteMatch) -> Request:
        """Return the request as the route has it sent, but for what each attempt adds."""
        options = self._options
        self._timeouts, request = timeout.decide(
            match.route, self._request, respect_expected=options.respect_expected_rq_timeout
        )
        self.timeout_ns = self._timeouts.route_ms * MILLISECOND
        # The router's own headers come first, so that header formats can speak of them.
        suppress = options.suppress_envoy_headers
        request = timeout.announce(self._timeouts, request, 0, suppress=suppress)
        if match.virtual_host.include_request_attempt_count:
            request = counted(request, 1)
        keep = not options.suppress_envoy_headers
        return finalize_request(match, request, info=self._info, keep_original=keep)

    def _attempt(self, now: int) -> Command:
        """Send the request to a host, for the first or another time."""
        match = self._match
        assert isinstance(match, RouteMatch), "only a routed request is sent"
        again = self.attempts > 0
        self.attempts += 1
        # A cluster may have been removed while a retry was waiting.
        upstream = self._upstreams.get(match.cluster or "")
        trail: list[Pick] | None = [] if self._reasons is not None else None
        host = None
        if upstream is not None:
            retries = self._retry if again else None
            host = self._choice.host(now, upstream, self._request, retries, trail)
        if upstream is None or host is None:
            if self._reasons is not None and upstream is not None:
                self._reasons.no_host(upstream)
            return self._answer(503, "no healthy upstream", "UH", "no_healthy_upstream")
        if again:
            elapsed_ms = (now - self._complete_at) // MILLISECOND
            shown = None if self._options.suppress_envoy_headers else self._timeouts
            self._request = repeated(self._request, match, self.attempts, elapsed_ms, shown)
        if self._reasons is not None:
            self._reasons.attempt(self.attempts, upstream, host, trail or [])
        self._upstream = upstream
        self._sending = UpstreamRequest(upstream, host, match.route.priority)
        return self._connected(now, self._sending.connect(self))

    def _connected(self, now: int, outcome: Client | Overflow | Reset | None) -> Command:
        """Send the request over its connection, if it has one."""
        match, upstream, sending = self._match, self._upstream, self._sending
        assert isinstance(match, RouteMatch), "only a routed request is sent"
        assert upstream is not None, "an attempt has a cluster"
        assert sending is not None, "an attempt has a host"
        if isinstance(outcome, Reset):
            sending.report(now, self._draws, Result.FAILED)
            return self._after_reset(now, outcome, "")
        if isinstance(outcome, Overflow):
            if self._reasons is not None:
                limits = upstream.resources(match.route.priority).limits
                self._reasons.overflow(upstream.cluster, outcome, limits)
            return self._after_reset(now, Reset.OVERFLOW, "")
        if outcome is None:
            if self._reasons is not None:
                self._reasons.queued(upstream.cluster, match.route.priority)
            self.state = State.QUEUED
            return Queued()
        self.state = State.AWAITING
        sending.report(now, self._draws, Result.CONNECTED)
        request = self._request
        if match.route.host_rewrite.automatic:
            keep = not self._options.suppress_envoy_headers
            request = addressed(request, sending.host.endpoint, match, keep_original=keep)
        self._sent_request = request
        return Attempt(
            number=self.attempts,
            cluster=upstream.cluster.name,
            endpoint=sending.host.endpoint,
            request=request,
            per_try_timeout_ns=self._timeouts.per_try_ms * MILLISECOND or None,
            connect_timeout_ns=upstream.cluster.connect_timeout_ns,
            tls=upstream.cluster.tls(sending.host.endpoint),
            alpn=self._info.alpn,
        )

    def _try_again(self, now: int, verdict: retry.Yes | retry.No | None, event: str) -> Wait | None:
        """Return the wait before a retry, if one follows; note why none does."""
        if verdict is None:
            return None
        if self._reasons is not None and verdict is not retry.No.NOT_RETRIABLE:
            assert self._retry is not None, "there is a verdict"
            self._reasons.retry(verdict, event, self._retry.policy.field)
        if isinstance(verdict, retry.Yes):
            self.state = State.BACKING_OFF
            return Wait(until_ns=now + verdict.delay_ns)
        if verdict is retry.No.LIMIT_EXCEEDED:
            self._flag("URX")
        elif verdict is retry.No.OVERFLOW:
            self._flag("UO")
        return None

    def _after_reset(self, now: int, reason: Reset, transport_failure: str) -> Command:
        if reason not in retry.CONNECT_FAILURES and reason is not Reset.OVERFLOW:
            self._sent = True
        again = self._try_again(
            now,
            self._retry.on_reset(reason, self._draws, sent=self._sent) if self._retry else None,
            f"the reset ({reason.value})",
        )
        if again is not None:
            return again
        overloaded: Headers = ()
        if reason is Reset.OVERFLOW and not self._options.suppress_envoy_headers:
            overloaded = (("x-envoy-overloaded", "true"),)
        told = told_of_reset(reason, transport_failure, retried=self.attempts > 1)
        return self._answer(told.status, told.body, told.flag, told.details, overloaded)

    def _time_out(self, details: str) -> Finish:
        body = "upstream request timeout" if self._timeout_status == 504 else ""
        return self._answer(self._timeout_status, body, "UT", details)

    def _forward(self, now: int, response: Response) -> Finish:
        """Hand an endpoint's response on."""
        headers = response.headers
        if not self._options.suppress_envoy_headers:
            spent_ms = (now - self._complete_at) // MILLISECOND
            headers = replaced(headers, "x-envoy-upstream-service-time", str(spent_ms))
        headers = (*headers, *self._choice.set_cookies)
        assert isinstance(self._match, RouteMatch), "there is a route, or no response"
        headers = self._finalized(self._match, response.status, headers)
        answer = Response(status=response.status, headers=headers, body=response.body)
        return self._finish(answer, "via_upstream")

    def _answer(
        self, status: int, body: str, flag: str, details: str, headers: Headers = ()
    ) -> Finish:
        self._flag(flag)
        return self._finish_local(reply(self._request, status, body, headers), details)

    def _finish_local(self, response: Response, details: str) -> Finish:
        match = self._match
        if isinstance(match, RouteMatch) and match.route.action is Action.ROUTE:
            # Header formats do not know the status yet.
            headers = self._finalized(match, 0, response.headers)
            response = Response(status=response.status, headers=headers, body=response.body)
        return self._finish(response, details)

    def _finalized(self, match: RouteMatch, status: int, headers: Headers) -> Headers:
        """Return response headers as the route has them."""
        headers = finalize_response(
            match, headers, request=self._request, info=self._info, status=status
        )
        if self.attempts and match.virtual_host.include_attempt_count_in_response:
            return replaced(headers, "x-envoy-attempt-count", str(self.attempts))
        return headers

    def _finish(self, response: Response | None, details: str) -> Finish:
        self.state = State.DONE
        self.details = details
        if self._passing is not None:
            self._lasting.faults.leave(self._passing)
        if self._retry is not None:
            self._retry.release()
        if response is not None:
            self._status = response.status
            if self._passing is not None:
                response = filter_chain.encode(self._chain.filters, self._passing, response)
            response = release(self._chain, self._request, response)
        if self._reasons is not None:
            told = f"{self._status}" if response is not None else "none: the connection is closed"
            flags = f", flags {','.join(self.flags)}" if self.flags else ""
            self._reasons.note("response", told, f"{details}{flags}")
        return Finish(
            response=response, flags=tuple(self.flags), details=details, attempts=self.attempts
        )

    def _end_attempt(
        self,
        now: int,
        result: Result | None,
        status: int | None = None,
        failure: Reset | None = None,
    ) -> None:
        """Give back what an attempt holds, if one is under way; tell what became of it."""
        if self._sending is None:
            return
        if result is not None:
            self._sending.report(now, self._draws, result, status)
        self._sending.end(self, failure)

    def _take(self, event: Event) -> bool:
        """Return whether an event counts.

        Raises UnexpectedEventError for one that must not come now.
        """
        if event not in TRANSITIONS[self.state]:
            message = f"`{event.value}` while the stream is {self.state.value}"
            raise UnexpectedEventError(message)
        return self.state is not State.DONE

    def _flag(self, flag: str) -> None:
        if flag and flag not in self.flags:
            self.flags.append(flag)
