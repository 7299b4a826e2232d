"""Keep account of the health checks of a cluster's hosts: who is out, and who is asked when.

The machine does not ask. Whoever drives it takes the hosts that are `new`, waits for
`first_ns`, sends what `asked` says, and reports what came of it (`judge`); the report's
answer is when to ask again.

Models    envoy.config.core.v3.HealthCheck
Follows   envoy/source/extensions/health_checkers/{common/health_checker_base_impl,
          http/health_checker_impl,grpc/health_checker_impl,tcp/health_checker_impl}.cc
Leaves    what `simulator.envoy.health_check` leaves
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from simulator.envoy.balance import Host
from simulator.envoy.cluster import Endpoint
from simulator.envoy.commands import Response
from simulator.envoy.draws import Chance
from simulator.envoy.format_commands import Facts
from simulator.envoy.header_map import first, with_headers, without
from simulator.envoy.headers import mutate
from simulator.envoy.health_check import HealthCheck, Kind, Range
from simulator.envoy.request import Request

IMMEDIATE_FAILURE = "x-envoy-immediate-health-check-fail"
_DEGRADED = "x-envoy-degraded"
_AGENT = ("user-agent", "Envoy/HC")
_GRPC = ("content-type", "application/grpc")
_MILLISECOND = 1_000_000


class Finding(StrEnum):
    """What a check came to."""

    PASSED = "passed"
    DEGRADED = "degraded"
    FAILED = "failed"
    """The host itself says so: it is left out at once."""
    RETRIABLE = "failed with a status that may pass"
    NETWORK = "found no connection"
    """No connection, or none that lasted."""
    TIMED_OUT = "timed out"


_GOOD = (Finding.PASSED, Finding.DEGRADED)
_NETWORK = (Finding.NETWORK, Finding.TIMED_OUT)


@dataclass(slots=True)
class _Session:
    """What is known of one host."""

    good: int = 0
    """Passed checks in a row, while it is out."""
    bad: int = 0
    first: bool = True


@dataclass(slots=True)
class Counts:
    """What Envoy counts under `health_check.`."""

    attempt: int = 0
    success: int = 0
    failure: int = 0
    passive_failure: int = 0
    network_failure: int = 0


class Checker:
    """One cluster's active health checking, in one proxy."""

    __slots__ = (
        "_changed", "_passed", "_pending", "_sessions", "_unasked", "check", "counts", "new",
        "warming",
    )  # fmt: skip

    def __init__(
        self,
        check: HealthCheck,
        changed: Callable[[int], None],
        passed: Callable[[Host, int], None],
        *,
        pending: bool = False,
    ) -> None:
        """`changed` is told when a host's health has changed, `passed` of each passed check.

        `pending`: whether hosts that come count for nothing until their first check.
        """
        self.check = check
        self._changed = changed
        self._passed = passed
        self._pending = pending
        self._sessions: dict[Host, _Session] = {}
        self._unasked = 0
        self.warming = True
        """Whether a host that was there at the start has not been asked yet."""
        self.counts = Counts()
        self.new: deque[Host] = deque()
        """Hosts that nobody has begun to ask."""

    def update(self, hosts: Iterable[Host]) -> None:
        """Take the hosts as they are now; new ones are out until they have passed a check."""
        sessions: dict[Host, _Session] = {}
        for host in hosts:
            if host.endpoint.unchecked:
                host.failed = ""
                host.pending = host.excluded = host.degraded = host.timed_out = False
                continue
            known = self._sessions.get(host)
            if known is None:
                host.failed = "none has passed yet"
                host.pending = self._pending
                self.new.append(host)
            sessions[host] = known or _Session()
        self._sessions = sessions
        self._unasked = sum(each.first for each in sessions.values())
        self.warming = self.warming and self._unasked > 0

    def knows(self, host: Host) -> bool:
        """Say whether a host is still to be asked."""
        return host in self._sessions

    def first_ns(self, chance: Chance) -> int:
        """Return how long to wait before a host is asked for the first time."""
        jitter_ns = self.check.initial_jitter_ns
        return self._jittered(0, jitter_ns, chance) if jitter_ns // _MILLISECOND else 0

    def ask(self, host: Host, cluster: str) -> Request | None:
        """Return what a host is asked now; `None`: a connection says all."""
        self.counts.attempt += 1
        return asked(self.check, host.endpoint, cluster)

    def report(
        self, host: Host, finding: Finding, now: int, chance: Chance, *, used: bool = True
    ) -> int:
        """Take what a check came to; return how long to wait before the next, in ns.

        `used` says whether the cluster has ever been sent anything.
        """
        session = self._sessions.get(host)
        if session is None:
            return 0
        good = finding in _GOOD
        if good:
            pending = self._succeed(host, session, now, degraded=finding is Finding.DEGRADED)
        else:
            pending = self._fail(host, session, f"the last one {finding.value}", now, finding)
        return self._interval(chance, good=good, pending=pending, used=used)

    def exclude(self, host: Host) -> None:
        """Count a host as if it were not there, as its own answer to a check asks."""
        if host in self._sessions:
            host.excluded = True

    def fail_immediately(self, host: Host, now: int) -> None:
        """Leave a host out: a response to a request has asked for it."""
        session = self._sessions.get(host)
        if session is not None:
            host.excluded = True
            self._fail(host, session, "a response said so", now, None)

    def _succeed(self, host: Host, session: _Session, now: int, *, degraded: bool) -> bool:
        """Take a passed check; return whether the host may come back with the next ones."""
        session.bad = 0
        changed = waiting = False
        if host.failed:
            session.good += not session.first
            if session.first or session.good == self.check.healthy_threshold:
                host.failed = ""
                host.excluded = host.timed_out = False
                changed = True
            else:
                waiting = True
            host.since_ns = now
        if host.pending:
            host.pending = False
            changed, waiting = True, False
        if degraded != host.degraded:
            host.degraded = degraded
            changed = changed or not waiting
        self.counts.success += 1
        if changed:
            self._changed(now)
        self._asked(session)
        self._passed(host, now)
        return waiting

    def _fail(
        self, host: Host, session: _Session, why: str, now: int, finding: Finding | None
    ) -> bool:
        """Take a failed check; return whether the host will be out if more fail."""
        session.good = 0
        changed = waiting = False
        patient = finding in _NETWORK or finding is Finding.RETRIABLE
        if not host.failed:
            session.bad += patient
            if not patient or session.bad == self.check.unhealthy_threshold:
                changed = True
            else:
                waiting = True
        if changed or host.failed:
            host.failed = why
            host.timed_out = finding is Finding.TIMED_OUT
        if host.pending:
            host.pending = False
            changed, waiting = True, False
        self.counts.failure += 1
        self.counts.network_failure += finding in _NETWORK
        self.counts.passive_failure += finding is None
        if changed:
            self._changed(now)
        self._asked(session)
        return waiting

    def _asked(self, session: _Session) -> None:
        if session.first:
            session.first = False
            self._unasked -= 1
            self.warming = self.warming and self._unasked > 0

    def _interval(self, chance: Chance, *, good: bool, pending: bool, used: bool) -> int:
        check = self.check
        if not used:
            settled = good and not pending
            base = check.no_traffic_healthy_interval_ns if settled else check.no_traffic_interval_ns
        elif good:
            base = check.healthy_edge_interval_ns if pending else check.interval_ns
        else:
            base = check.unhealthy_edge_interval_ns if pending else check.unhealthy_interval_ns
        return self._jittered(base, check.interval_jitter_ns, chance)

    def _jittered(self, base_ns: int, jitter_ns: int, chance: Chance) -> int:
        """Return an interval in whole milliseconds, one at least."""
        wait_ms = base_ns // _MILLISECOND
        share_ms = self.check.interval_jitter_percent * wait_ms // 100
        if share_ms:
            wait_ms += chance.next("health check jitter") % share_ms
        if jitter_ns // _MILLISECOND:
            wait_ms += chance.next("health check jitter") % (jitter_ns // _MILLISECOND)
        return max(1, wait_ms) * _MILLISECOND


def asked(check: HealthCheck, endpoint: Endpoint, cluster: str) -> Request | None:
    """Return what an endpoint is asked; `None`: a connection says all."""
    if check.kind is Kind.TCP:
        return None
    plain = Request(
        method=check.method,
        authority=endpoint.check_hostname or check.host or cluster,
        path=check.path,
        headers=(_AGENT, _GRPC) if check.kind is Kind.GRPC else (_AGENT,),
    )
    left = without(plain.headers, check.headers.remove)
    return with_headers(plain, mutate(check.headers, left, Facts(request=plain, cluster=cluster)))


def judge(check: HealthCheck, response: Response) -> Finding:
    """Return what a response says of its host."""
    if check.kind is Kind.GRPC:
        served = response.status == 200 and first(response.headers, "grpc-status") in (None, "0")
        return Finding.PASSED if served else Finding.FAILED
    if not _within(response.status, check.expected):
        again = _within(response.status, check.retriable)
        return Finding.RETRIABLE if again else Finding.FAILED
    degraded = first(response.headers, _DEGRADED) is not None
    return Finding.DEGRADED if degraded else Finding.PASSED


def excludes(check: HealthCheck, response: Response) -> bool:
    """Say whether a check's answer takes its host out of all counts."""
    failed = check.kind is Kind.HTTP and not _within(response.status, check.expected)
    return failed and first(response.headers, IMMEDIATE_FAILURE) is not None


def _within(status: int, ranges: tuple[Range, ...]) -> bool:
    return any(low <= status < high for low, high in ranges)
