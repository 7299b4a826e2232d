"""The last filter: it sends a routed request upstream, as often as its route allows.

The router answers each event with what is to be done next. A stream owns it, and decides
which event may come when; it is also who is answered (`Downstream`).

Models    envoy.extensions.filters.http.router.v3.Router, RouteAction
Follows   envoy/source/common/router/{router.cc,upstream_request.cc}
Leaves    hedging, resets of a response that has begun
          (docs/fidelity.md#router)
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Protocol

from simulator.envoy import retry, timeout
from simulator.envoy.balance import Host, Pick
from simulator.envoy.choice import Choice
from simulator.envoy.cluster import Cluster, Endpoint
from simulator.envoy.commands import Attempt, Command, Finish, Queued, Reset, Response, Wait
from simulator.envoy.filters.passing import Passing
from simulator.envoy.filters.router_config import RouterConfig
from simulator.envoy.format_commands import End
from simulator.envoy.header_map import Headers, first, replaced, with_headers, without
from simulator.envoy.headers import finalize_request
from simulator.envoy.local_reply import told_of_reset, usual_failure
from simulator.envoy.mirror import copies
from simulator.envoy.outgoing import addressed, counted, repeated
from simulator.envoy.outlier import Result, status_of
from simulator.envoy.pool import Client, Overflow
from simulator.envoy.request import Request
from simulator.envoy.route import RouteMatch
from simulator.envoy.timeout import MILLISECOND, Ending, Timeouts
from simulator.envoy.upstream import Upstream
from simulator.envoy.upstream_request import Tried, UpstreamRequest

SERVICE_TIME = "x-envoy-upstream-service-time"
_PROTOCOLS = ("HTTP/1.1", "HTTP/2")
_ALT_RESPONSE = "x-envoy-upstream-rq-timeout-alt-response"


class Downstream(Protocol):
    """Whoever a router answers; it also waits for connections in the router's name."""

    def answer(
        self, status: int, body: str, flag: str, details: str, headers: Headers = ()
    ) -> Finish:
        """End with an answer of the proxy's own."""
        ...

    def forward(self, response: Response) -> Finish:
        """End with an endpoint's response."""
        ...

    def redirect(self, now: int, response: Response) -> Command | None:
        """Begin anew where a response leads to, if the proxy is to follow it."""
        ...

    def flag(self, flag: str) -> None:
        """Set a response flag."""
        ...


class Router:
    """One request on its way upstream."""

    __slots__ = (
        "_complete_at", "_downstream", "_options", "_reasons", "_retry", "_sent",
        "_timeout_status", "_timeouts", "_upstreams", "attempts", "choice", "match", "passing",
        "sending", "sent_request", "timeout_ns", "tried",
    )  # fmt: skip

    def __init__(
        self,
        options: RouterConfig,
        passing: Passing,
        match: RouteMatch,
        choice: Choice,
        downstream: Downstream,
    ) -> None:
        self.passing = passing
        self.attempts = 0
        self.timeout_ns = 0
        """The route's time-out, counted from the first attempt; 0: none."""
        self.sending: UpstreamRequest | None = None
        """The attempt under way, or the last one."""
        self.sent_request: Request | None = None
        """The last request that went upstream."""
        self.tried: list[Tried] = []
        self._options = options
        self.match = match
        self._upstreams = passing.upstreams
        self._reasons = passing.reasons
        self.choice = choice
        self._downstream = downstream
        self._complete_at = 0
        self._retry: retry.RetryState | None = None
        self._timeouts = Timeouts(route_ms=0, per_try_ms=0)
        self._timeout_status = 504
        self._sent = False

    def start(self, now: int, upstream: Upstream) -> Command:
        """Send the request, for the first time."""
        match, info = self.match, self.passing.info
        self.begin(now)
        request = self._finalize()
        if first(request.headers, _ALT_RESPONSE) is not None:
            self._timeout_status = 204
            request = with_headers(request, without(request.headers, {_ALT_RESPONSE}))
        resources = upstream.resources(match.route.priority)
        self._retry = retry.start(match.route.retry_policy, request, resources)
        self.passing.request = retry.consume(request)
        self.choice.prepare(match, upstream, self.passing.request, info)
        if self._reasons is not None:
            if upstream.hashes:
                self._reasons.hash(self.choice.hashed, match.route.field)
            self._reasons.timeouts(self._timeouts, match.route.field)
        command = self.attempt(now)
        if self.sending is not None and match.route.mirrors:
            # Even where a circuit breaker has refused the request itself.
            self.passing.lasting.copies.extend(copies(self.passing, match, self.timeout_ns))
        return command

    def _finalize(self) -> Request:
        """Return the request as the route has it sent, but for what each attempt adds."""
        match, options = self.match, self._options
        self._timeouts, request = timeout.decide(
            match.route, self.passing.request, respect_expected=options.respect_expected_rq_timeout
        )
        self.timeout_ns = self._timeouts.route_ms * MILLISECOND
        # The router's own headers come first, so that header formats can speak of them.
        suppress = options.suppress_envoy_headers
        request = timeout.announce(self._timeouts, request, 0, suppress=suppress)
        if match.virtual_host.include_request_attempt_count:
            request = counted(request, 1)
        return finalize_request(match, request, info=self.passing.info, keep_original=not suppress)

    def begin(self, now: int) -> None:
        """Take the time when the request was complete."""
        self._complete_at = now

    def attempt(self, now: int) -> Command:
        """Send the request to a host, for the first or another time."""
        match, reasons = self.match, self._reasons
        # A cluster may have been removed while a retry was waiting.
        upstream = self._upstreams.get(match.cluster or "")
        trail: list[Pick] | None = [] if reasons is not None else None
        host = None
        if upstream is not None:
            retries = self._retry if self.attempts else None
            host = self.choice.host(now, upstream, self.passing.request, retries, trail)
        return self.dispatch(now, upstream, host, trail)

    def dispatch(
        self,
        now: int,
        upstream: Upstream | None,
        host: Host | None,
        trail: list[Pick] | None = None,
    ) -> Command:
        """Send the request to the host that was chosen, if any was."""
        match, reasons = self.match, self._reasons
        again = self.attempts > 0
        self.attempts += 1
        if upstream is None or host is None:
            if reasons is not None and upstream is not None:
                reasons.no_host(upstream, self.choice.missed)
            headers = self._counted(()) if again else ()
            return self._downstream.answer(
                self.choice.missing_status,
                "no healthy upstream",
                "UH",
                "no_healthy_upstream",
                headers,
            )
        self.passing.host = host
        upstream = self.choice.owner or upstream
        if again:
            elapsed_ms = (now - self._complete_at) // MILLISECOND
            shown = None if self._options.suppress_envoy_headers else self._timeouts
            self.passing.request = repeated(
                self.passing.request, match, self.attempts, elapsed_ms, shown
            )
        if reasons is not None:
            reasons.attempt(self.attempts, upstream, host, trail or [])
        self.sending = UpstreamRequest(upstream, host, upstream.pool(host, match.route.priority))
        return self._connected(now, self.sending, self.sending.connect(self._downstream))

    @property
    def tells_time(self) -> bool:
        """Say whether the client is told how long the endpoint took."""
        return not self._options.suppress_envoy_headers

    def twin(self, passing: Passing, downstream: Downstream) -> Router:
        """Return a router that is about to make the first attempt that this one has made."""
        twin = copy(self)
        twin.passing = passing
        twin.choice = self.choice.twin(passing.draws)
        retries = self._retry.twin() if self._retry is not None else None
        twin._downstream, twin._retry = downstream, retries  # noqa: SLF001 - its own class
        twin.attempts, twin.sending, twin.sent_request, twin.tried = 0, None, None, []
        return twin

    def adopt(self, sending: UpstreamRequest, request: Request | None) -> None:
        """Take over a first attempt that is under way."""
        self.choice.note(sending.host)
        self.attempts, self.sending, self.sent_request = 1, sending, request

    def on_turn(self, now: int, outcome: Client | Overflow | Reset) -> Command:
        """Take the end of waiting for a connection."""
        sending = self.sending
        assert sending is not None, "only an attempt waits"
        sending.take(outcome)
        return self._connected(now, sending, outcome)

    def on_response(self, now: int, response: Response) -> Command:
        """Take an attempt's response."""
        status = status_of(response.status, first(response.headers, "grpc-status"))
        if self.sending is not None:
            self.sending.heed(now, response)
        self.end_attempt(now, Result.ANSWERED, status)
        if self.sending is not None:
            self.sending.responded_ns = now
        again = self._try_again(
            now,
            self._retry.on_headers(
                response, self.passing.draws, self.passing.lasting.epoch_ns + now
            )
            if self._retry
            else None,
            f"the response {response.status}",
        )
        return again or self._downstream.redirect(now, response) or self._forward(now, response)

    def on_reset(self, now: int, reason: Reset, transport_failure: str = "") -> Command:
        """Take the end of an attempt without a response; the transport may say why."""
        self.end_attempt(now, Result.FAILED, failure=reason)
        if self.sending is not None:
            self.sending.transport_failure = transport_failure or usual_failure(reason)
            if reason in retry.CONNECT_FAILURES:
                self.sending.sent_ns = None
        return self._after_reset(now, reason, transport_failure)

    def on_per_try_timeout(self, now: int) -> Command:
        """Give up an attempt that took too long."""
        assert self.sending is not None, "an attempt is under way"
        ending, limit_ms = self._ending(self.sending.upstream.cluster)
        # An endpoint that does not end a stream is not to blame for it.
        result = None if ending is Ending.DURATION else Result.TIMED_OUT
        self.end_attempt(now, result, self._timeout_status, Reset.LOCAL_RESET)
        self._sent = True
        again = self._try_again(
            now,
            self._retry.on_reset(Reset.LOCAL_RESET, self.passing.draws, sent=True)
            if self._retry
            else None,
            f"no response within {limit_ms} ms",
        )
        if again is None and ending is Ending.DURATION:
            body = "upstream max stream duration reached"
            return self._answer(504, body, "UMSDR", ending.value)
        return again or self._time_out(ending.value)

    def _ending(self, cluster: Cluster) -> tuple[Ending, int]:
        """Return what ends the attempt first if no response does, and after how many ms."""
        return self._timeouts.ending(cluster.max_stream_duration_ns // MILLISECOND)

    def on_timeout(self, now: int) -> Finish:
        """Give up the request, which took too long."""
        self.end_attempt(now, Result.TIMED_OUT, self._timeout_status, Reset.LOCAL_RESET)
        return self._time_out("response_timeout")

    def told(self, end: End) -> End:
        """Return what is said of a stream's end, with what was done here."""
        sending = self.sending
        sent = sending if sending is not None and sending.sent_ns is not None else None
        tried = tuple(self.tried)
        own = self.passing.lasting.address
        return replace(
            end,
            sent_ns=sent.sent_ns if sent else None,
            responded_ns=sent.responded_ns if sent else None,
            upstream_protocol=_PROTOCOLS[sent.upstream.cluster.http2] if sent else None,
            transport_failure=sending.transport_failure if sending else "",
            attempts=self.attempts,
            host=sending.host.endpoint if sending else None,
            connected=sent is not None,
            tried=tried,
            reached=tuple(dict.fromkeys(each.host for each in tried if each.connected)),
            local_address=sent.upstream.from_address(own) if sent else "",
        )

    def release(self) -> None:
        """Give back what a request holds beyond its attempts."""
        if self._retry is not None:
            self._retry.release()

    def end_attempt(
        self,
        now: int,
        result: Result | None,
        status: int | None = None,
        failure: Reset | None = None,
    ) -> None:
        """Give back what an attempt holds, if one is under way; tell what became of it."""
        if self.sending is None:
            return
        if self.sending.client is not None:
            self.tried.append(
                Tried(
                    cluster=self.sending.upstream.cluster.name,
                    host=self.sending.host.endpoint.key,
                    connected=failure not in retry.CONNECT_FAILURES,
                    result=result,
                    status=status,
                )
            )
        if result is not None:
            self.sending.report(now, self.passing.draws, result, status)
        self.sending.end(self._downstream, failure)

    def _connected(
        self, now: int, sending: UpstreamRequest, outcome: Client | Overflow | Reset | None
    ) -> Command:
        """Send the request over its connection, if it has one."""
        match, upstream, reasons = self.match, sending.upstream, self._reasons
        if isinstance(outcome, Reset):
            sending.report(now, self.passing.draws, Result.FAILED)
            return self._after_reset(now, outcome, "")
        if isinstance(outcome, Overflow):
            if reasons is not None:
                limits = upstream.resources(match.route.priority).limits
                reasons.overflow(upstream.cluster, outcome, limits)
            return self._after_reset(now, Reset.OVERFLOW, "")
        if outcome is None:
            if reasons is not None and sending.held_up:
                reasons.queued(upstream.cluster, match.route.priority)
            return Queued()
        sending.report(now, self.passing.draws, Result.CONNECTED)
        attempt = self.attempt_at(upstream.cluster, sending.host.endpoint, self.attempts)
        self.sent_request = attempt.request
        sending.sent_ns = now
        return attempt

    def attempt_at(self, cluster: Cluster, endpoint: Endpoint, number: int) -> Attempt:
        """Return an attempt as it is made at an endpoint."""
        request = self.passing.request
        if self.match.route.host_rewrite.automatic:
            keep = not self._options.suppress_envoy_headers
            request = addressed(request, endpoint, self.match, keep_original=keep)
        return Attempt(
            number=number,
            cluster=cluster.name,
            endpoint=endpoint,
            request=request,
            per_try_timeout_ns=self._ending(cluster)[1] * MILLISECOND or None,
            connect_timeout_ns=cluster.connect_timeout_ns,
            tls=cluster.tls(endpoint),
            alpn=self.passing.info.alpn,
        )

    def _try_again(self, now: int, verdict: retry.Yes | retry.No | None, event: str) -> Wait | None:
        """Return the wait before a retry, if one follows; note why none does."""
        if verdict is None:
            return None
        if self._reasons is not None and verdict is not retry.No.NOT_RETRIABLE:
            assert self._retry is not None, "there is a verdict"
            self._reasons.retry(verdict, event, self._retry.policy.field)
        if isinstance(verdict, retry.Yes):
            return Wait(until_ns=now + verdict.delay_ns)
        if verdict is retry.No.LIMIT_EXCEEDED:
            self._downstream.flag("URX")
        elif verdict is retry.No.OVERFLOW:
            self._downstream.flag("UO")
        return None

    def _after_reset(self, now: int, reason: Reset, transport_failure: str) -> Command:
        if reason not in retry.CONNECT_FAILURES and reason is not Reset.OVERFLOW:
            self._sent = True
        again = self._try_again(
            now,
            self._retry.on_reset(reason, self.passing.draws, sent=self._sent)
            if self._retry
            else None,
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
            headers = replaced(headers, SERVICE_TIME, str(spent_ms))
        headers = (*self._counted(headers), *self.choice.set_cookies)
        return self._downstream.forward(
            Response(status=response.status, headers=headers, body=response.body)
        )

    def _answer(
        self, status: int, body: str, flag: str, details: str, headers: Headers = ()
    ) -> Finish:
        return self._downstream.answer(status, body, flag, details, self._counted(headers))

    def _counted(self, headers: Headers) -> Headers:
        """Return response headers that tell of the attempts, if they are to."""
        if not self.match.virtual_host.include_attempt_count_in_response:
            return headers
        return replaced(headers, "x-envoy-attempt-count", str(self.attempts))
