from __future__ import annotations

from dataclasses import replace

import pytest

from simulator.envoy.cluster import Thresholds
from simulator.envoy.commands import Reset, Response
from simulator.envoy.draws import Listed
from simulator.envoy.request import Request
from simulator.envoy.resources import Resources
from simulator.envoy.retry import BackOff, No, RetryState, Yes, consume, retry_on, start
from simulator.envoy.retry_policy import ResetHeader, RetryPolicy
from simulator.observe.explain import FieldRef

FIELD = FieldRef("routes", "9080")
PLAIN = Request(method="GET", authority="a", path="/")


def policy(conditions: str, num_retries: int = 1) -> RetryPolicy:
    return RetryPolicy(field=FIELD, retry_on=tuple(conditions.split(",")), num_retries=num_retries)


def state(conditions: str, num_retries: int = 1, resources: Resources | None = None) -> RetryState:
    return RetryState(policy(conditions, num_retries), PLAIN, resources or Resources(Thresholds()))


def condition(verdict: Yes | No) -> str | None:
    return verdict.condition if isinstance(verdict, Yes) else None


@pytest.mark.parametrize(
    ("conditions", "reason", "sent", "want"),
    [
        pytest.param(
            "connect-failure",
            Reset.LOCAL_CONNECTION_FAILURE,
            False,
            "connect-failure",
            id="connect-local",
        ),
        pytest.param(
            "connect-failure",
            Reset.CONNECTION_TIMEOUT,
            False,
            "connect-failure",
            id="connect-timeout",
        ),
        pytest.param(
            "connect-failure",
            Reset.CONNECTION_TERMINATION,
            True,
            None,
            id="closed-is-no-connect-failure",
        ),
        pytest.param(
            "refused-stream",
            Reset.REMOTE_REFUSED_STREAM,
            True,
            "refused-stream",
            id="refused-stream",
        ),
        pytest.param(
            "refused-stream", Reset.REMOTE_RESET, True, None, id="reset-is-no-refused-stream"
        ),
        pytest.param(
            "reset-before-request",
            Reset.REMOTE_CONNECTION_FAILURE,
            False,
            "reset-before-request",
            id="nothing-sent",
        ),
        pytest.param(
            "reset-before-request",
            Reset.REMOTE_CONNECTION_FAILURE,
            True,
            None,
            id="sent-by-an-earlier-attempt",
        ),
        pytest.param("reset", Reset.PROTOCOL_ERROR, True, "reset", id="protocol-error"),
        pytest.param("reset,5xx,connect-failure", Reset.OVERFLOW, False, None, id="overflow-never"),
        pytest.param(
            "retriable-status-codes", Reset.LOCAL_RESET, True, None, id="time-out-is-no-status"
        ),
    ],
)
def test_resets(conditions: str, reason: Reset, sent: bool, want: str | None) -> None:
    assert condition(state(conditions).on_reset(reason, Listed(), sent=sent)) == want


def test_retries_are_spent_even_when_the_breaker_refuses() -> None:
    resources = Resources(Thresholds(max_retries=0))
    machine = state("5xx", 1, resources)

    assert machine.on_headers(Response(status=503), Listed()) is No.OVERFLOW
    assert machine.on_headers(Response(status=503), Listed()) is No.LIMIT_EXCEEDED


def test_a_retry_counts_from_its_back_off_to_its_outcome() -> None:
    resources = Resources(Thresholds(max_retries=1))
    first, second = state("5xx", 1, resources), state("5xx", 1, resources)

    assert isinstance(first.on_headers(Response(status=503), Listed()), Yes)
    assert second.on_headers(Response(status=503), Listed()) is No.OVERFLOW
    first.on_headers(Response(status=200), Listed())
    assert resources.retries == 0


def test_back_off_doubles_its_ceiling_up_to_the_maximum() -> None:
    back_off = BackOff(25, 250)
    largest = Listed(values={"back-off": [2**64 - 1] * 6})

    waits = [back_off.next(largest) for _ in range(6)]

    assert [ceiling for _, ceiling in waits] == [25, 50, 100, 200, 250, 250]
    assert all(wait < ceiling for wait, ceiling in waits)


@pytest.mark.parametrize(
    ("base", "maximum", "want"),
    [
        pytest.param(1, 1, [1, 1], id="constant"),
        pytest.param(100, 150, [100, 150], id="a-doubling-that-would-pass-the-maximum"),
        pytest.param(2, 1000, [2, 4, 8, 16], id="far-from-it"),
    ],
)
def test_ceilings(base: int, maximum: int, want: list[int]) -> None:
    back_off = BackOff(base, maximum)

    assert [back_off.next(Listed())[1] for _ in want] == want


def test_headers_add_conditions_and_unknown_ones_are_ignored() -> None:
    request = Request(
        method="GET",
        authority="a",
        path="/",
        headers=(
            ("x-envoy-retry-on", "reset, nonsense, cancelled"),
            ("x-envoy-retry-grpc-on", "internal,5xx"),
        ),
    )

    assert retry_on(policy("5xx,huh"), request) == {"5xx", "reset", "internal"}


@pytest.mark.parametrize(
    ("given", "headers", "want"),
    [
        pytest.param(None, (), False, id="nothing"),
        pytest.param(policy("nonsense"), (), False, id="nothing-known"),
        pytest.param(policy("5xx"), (), True, id="policy"),
        pytest.param(None, (("x-envoy-retry-on", "5xx"),), True, id="header"),
    ],
)
def test_who_may_retry_at_all(
    given: RetryPolicy | None, headers: tuple[tuple[str, str], ...], want: bool
) -> None:
    request = Request(method="GET", authority="a", path="/", headers=headers)

    assert (start(given, request, Resources(Thresholds())) is not None) is want


def test_the_routers_headers_never_go_upstream() -> None:
    request = Request(
        method="GET", authority="a", path="/", headers=(("x-envoy-max-retries", "3"), ("x-a", "b"))
    )

    assert consume(request).headers == (("x-a", "b"),)
    assert consume(PLAIN) is PLAIN


NOW = 1_000 * 10**9
SECONDS = ResetHeader(name="retry-after", timestamp=False)
UNTIL = ResetHeader(name="x-reset", timestamp=True)


@pytest.mark.parametrize(
    ("headers", "want_ms"),
    [
        pytest.param((), 7, id="not-told"),
        pytest.param((("retry-after", "2"),), 2007, id="so-many-seconds"),
        pytest.param((("x-reset", "1003"),), 3007, id="until-then"),
        pytest.param((("x-reset", "999"),), 7, id="until-long-ago"),
        pytest.param((("retry-after", "4"), ("x-reset", "1001")), 4007, id="the-first-counts"),
        pytest.param((("retry-after", "6"), ("x-reset", "1001")), 1007, id="not-for-too-long"),
        pytest.param((("retry-after", "soon"),), 7, id="not-in-words"),
    ],
)
def test_an_endpoint_says_when_to_come_again(
    headers: tuple[tuple[str, str], ...], want_ms: int
) -> None:
    heeding = replace(
        policy("5xx"), reset_headers=(SECONDS, UNTIL), max_reset_interval_ns=5 * 10**9
    )
    machine = start(heeding, PLAIN, Resources(Thresholds()))
    assert machine is not None

    verdict = machine.on_headers(
        Response(status=503, headers=headers), Listed(values={"back-off": [7]}), NOW
    )

    assert isinstance(verdict, Yes)
    assert verdict.delay_ns == want_ms * 1_000_000
