"""Decide whether, and when, a failed attempt is followed by another.

The machine is pure: it is told how an attempt ended and answers with a verdict.

Models    envoy.config.route.v3.RetryPolicy, the `x-envoy-retry-*` request headers
Follows   envoy/source/common/router/retry_state_impl.cc, common/common/backoff_strategy.cc
Leaves    hedging, retries on another cluster (docs/fidelity.md#retry)
"""

from __future__ import annotations

from collections.abc import Collection
from copy import copy
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import cache

from simulator.envoy.commands import Reset, Response
from simulator.envoy.draws import Draws
from simulator.envoy.header_map import with_headers, without
from simulator.envoy.request import Request
from simulator.envoy.resources import Resources
from simulator.envoy.retry_policy import RetryPolicy
from simulator.observe.explain import FieldRef

MILLISECOND = 1_000_000

HTTP_CONDITIONS = frozenset(
    {
        "5xx",
        "gateway-error",
        "connect-failure",
        "envoy-ratelimited",
        "retriable-4xx",
        "refused-stream",
        "retriable-status-codes",
        "retriable-headers",
        "reset",
        "reset-before-request",
        "http3-post-connect-failure",
    }
)
GRPC_CONDITIONS = {
    "cancelled": "1",
    "deadline-exceeded": "4",
    "resource-exhausted": "8",
    "internal": "13",
    "unavailable": "14",
}
"""With the grpc-status that each speaks of."""

CONSUMED = frozenset(
    {
        "x-envoy-retry-on",
        "x-envoy-retry-grpc-on",
        "x-envoy-max-retries",
        "x-envoy-hedge-on-per-try-timeout",
        "x-envoy-retriable-header-names",
        "x-envoy-retriable-status-codes",
        "x-envoy-upstream-rq-per-try-timeout-ms",
    }
)
"""Request headers that the router takes as its own: they never go upstream."""

CONNECT_FAILURES = frozenset(
    {Reset.LOCAL_CONNECTION_FAILURE, Reset.REMOTE_CONNECTION_FAILURE, Reset.CONNECTION_TIMEOUT}
)

PREVIOUS_HOSTS = "envoy.retry_host_predicates.previous_hosts"


class No(Enum):
    """Why nothing follows."""

    NOT_RETRIABLE = auto()
    LIMIT_EXCEEDED = auto()
    """It would be retried, but `num_retries` are spent: flag URX."""
    OVERFLOW = auto()
    """It would be retried, but too many retries are under way: flag UO."""


@dataclass(frozen=True, slots=True)
class Yes:
    """Another attempt follows."""

    condition: str
    """Which part of the policy asked for it."""
    delay_ns: int
    ceiling_ms: int
    """The back-off was drawn from [`floor_ms`, `ceiling_ms`)."""
    floor_ms: int = 0


@dataclass(slots=True)
class BackOff:
    """A jittered wait under a ceiling that doubles.

    Envoy's manual gives the range of the n-th retry as [0, (2**n - 1) * base); its source
    doubles a ceiling instead: 25, 50, 100, 200, 250 ms. The source wins.
    """

    ceiling_ms: int
    max_ms: int

    def next(self, draws: Draws) -> tuple[int, int]:
        """Return a wait in ms, and the ceiling it was drawn under."""
        ceiling = self.ceiling_ms
        self.ceiling_ms = ceiling * 2 if ceiling < self.max_ms // 2 else self.max_ms
        return draws.next("back-off") % ceiling, ceiling


class RetryState:
    """What is left of one request's retries."""

    def __init__(self, policy: RetryPolicy, request: Request, resources: Resources) -> None:
        self.policy = policy
        self._resources = resources
        self._on = _known(policy.retry_on)
        self._left = policy.num_retries
        self._codes: Collection[int] = policy.retriable_status_codes
        self._header_names: list[str] = []
        self._back_off = BackOff(
            max(1, policy.base_interval_ns // MILLISECOND),
            max(1, policy.max_interval_ns // MILLISECOND),
        )
        self._holding = False
        if any(name in CONSUMED for name, _ in request.headers):
            self._heed(request)
        if policy.retriable_request_headers and not any(
            matcher.matches(request.values(matcher.name))
            for matcher in policy.retriable_request_headers
        ):
            self._on = frozenset()

    def _heed(self, request: Request) -> None:
        """Take what a request's own headers say."""
        self._on = retry_on(self.policy, request)
        self._header_names = _listed(request, "x-envoy-retriable-header-names")
        limit = request.first("x-envoy-max-retries")
        if self._on and limit is not None and limit.strip().isdigit():
            self._left = int(limit)
        codes = _listed(request, "x-envoy-retriable-status-codes")
        self._codes = {*self._codes, *(int(code) for code in codes if code.isdigit())}

    def twin(self) -> RetryState:
        """Return the state of a request like this one, of which nothing is spent yet."""
        assert not self._holding, "no retry was decided on"
        twin = copy(self)
        twin._back_off = replace(self._back_off)  # noqa: SLF001 - its own class
        return twin

    def on_headers(self, response: Response, draws: Draws, wall_ns: int = 0) -> Yes | No:
        """Return what follows a response; `wall_ns` counts from 1970."""
        condition = self._wanted_by_headers(response)
        asked_ms = self._asked_ms(response, wall_ns) if condition is not None else None
        return self._decide(condition, draws, asked_ms)

    def _asked_ms(self, response: Response, wall_ns: int) -> int | None:
        """Return how long the endpoint wants to be left alone, as far as it is heeded."""
        longest_ms = self.policy.max_reset_interval_ns // MILLISECOND
        for one in self.policy.reset_headers:
            wait_ms = one.wait_ms(response.headers, wall_ns)
            if wait_ms is not None and wait_ms <= longest_ms:
                return wait_ms or None
        return None

    def on_reset(self, reason: Reset, draws: Draws, *, sent: bool) -> Yes | No:
        """Return what follows a reset; `sent` says whether any attempt wrote upstream."""
        return self._decide(self._wanted_by_reset(reason, sent=sent), draws)

    def release(self) -> None:
        """Give back the place among the retries under way; to be called at the end."""
        if self._holding:
            self._resources.retries -= 1
            self._holding = False

    @property
    def avoids_previous_hosts(self) -> bool:
        """Say whether hosts that were tried are passed over."""
        return PREVIOUS_HOSTS in self.policy.retry_host_predicate

    def _decide(self, condition: str | None, draws: Draws, asked_ms: int | None = None) -> Yes | No:
        self.release()
        if condition is None:
            return No.NOT_RETRIABLE
        if self._left == 0:
            return No.LIMIT_EXCEEDED
        # Spent even when the breaker then refuses.
        self._left -= 1
        if not self._resources.allows_retry():
            return No.OVERFLOW
        self._resources.retries += 1
        self._holding = True
        if asked_ms is not None:
            # Up to half as long again, so that not all come back at once.
            spread_ms = asked_ms // 2
            delay_ms = asked_ms + draws.next("back-off") % spread_ms
            return Yes(condition, delay_ms * MILLISECOND, asked_ms + spread_ms, asked_ms)
        delay_ms, ceiling_ms = self._back_off.next(draws)
        return Yes(condition, delay_ms * MILLISECOND, ceiling_ms)

    def _wanted_by_headers(self, response: Response) -> str | None:
        """Return the condition that a response fulfils."""
        on, status = self._on, response.status
        values = dict(response.headers)
        if "x-envoy-ratelimited" in values:
            # A rate limit is retried only if it is asked for, whatever the status.
            return "envoy-ratelimited" if "envoy-ratelimited" in on else None
        if "5xx" in on and 500 <= status <= 599:
            return "5xx"
        if "gateway-error" in on and 502 <= status <= 504:
            return "gateway-error"
        if "retriable-4xx" in on and status == 409:
            return "retriable-4xx"
        if "retriable-status-codes" in on and status in self._codes:
            return "retriable-status-codes"
        if "retriable-headers" in on and self._has_retriable_header(response):
            return "retriable-headers"
        grpc_status = values.get("grpc-status")
        for name, code in GRPC_CONDITIONS.items():
            if name in on and grpc_status == code:
                return name
        return None

    def _has_retriable_header(self, response: Response) -> bool:
        values: dict[str, list[str]] = {}
        for name, value in response.headers:
            values.setdefault(name, []).append(value)
        if any(name in values for name in self._header_names):
            return True
        return any(
            matcher.matches(values.get(matcher.name, []))
            for matcher in self.policy.retriable_headers
        )

    def _wanted_by_reset(self, reason: Reset, *, sent: bool) -> str | None:
        """Return the condition that a reset fulfils."""
        on = self._on
        if reason is Reset.OVERFLOW:
            return None
        if reason in CONNECT_FAILURES and "connect-failure" in on:
            return "connect-failure"
        if "reset-before-request" in on and not sent:
            return "reset-before-request"
        for name in ("reset", "5xx", "gateway-error"):
            if name in on:
                return name
        if "refused-stream" in on and reason is Reset.REMOTE_REFUSED_STREAM:
            return "refused-stream"
        return None


def retry_on(policy: RetryPolicy, request: Request) -> frozenset[str]:
    """Return the conditions of a policy and of a request's headers; unknown ones are ignored."""
    http = (c for c in _listed(request, "x-envoy-retry-on") if c in HTTP_CONDITIONS)
    grpc = (c for c in _listed(request, "x-envoy-retry-grpc-on") if c in GRPC_CONDITIONS)
    return _known(policy.retry_on).union(http, grpc)


@cache
def _known(conditions: tuple[str, ...]) -> frozenset[str]:
    return frozenset(c for c in conditions if c in HTTP_CONDITIONS or c in GRPC_CONDITIONS)


def start(policy: RetryPolicy | None, request: Request, resources: Resources) -> RetryState | None:
    """Return a request's retry state, or `None` if nothing asks for retries."""
    asked = request.first("x-envoy-retry-on") or request.first("x-envoy-retry-grpc-on")
    if policy is None:
        if asked is None:
            return None
        policy = RetryPolicy(field=FieldRef("routes", ""))
    if asked is None and not _known(policy.retry_on):
        return None
    return RetryState(policy, request, resources)


def consume(request: Request) -> Request:
    """Return the request without the headers that only the router was meant to see."""
    return with_headers(request, without(request.headers, CONSUMED))


def _listed(request: Request, name: str) -> list[str]:
    value = request.first(name)
    return [] if value is None else [each.strip().lower() for each in value.split(",")]
