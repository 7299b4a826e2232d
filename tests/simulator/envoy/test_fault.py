from __future__ import annotations

import pytest

from simulator.envoy.draws import Listed
from simulator.envoy.filters.fault import Abortion, abortion, applies, delay_ns
from simulator.envoy.filters.fault_config import Abort, Delay, FaultConfig, Fraction
from simulator.envoy.request import Request
from simulator.observe.explain import FieldRef

FIELD = FieldRef("routes", "r")
MS = 1_000_000


def request(**headers: str) -> Request:
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Request(method="GET", authority="a", path="/", headers=pairs)


def delay(percent: int, fixed_ms: int = 5, *, by_header: bool = False) -> FaultConfig:
    fraction = Fraction(numerator=percent, denominator=100)
    one = Delay(field=FIELD, fixed_ns=fixed_ms * MS, by_header=by_header, fraction=fraction)
    return FaultConfig(field=FIELD, delay=one)


def abort(percent: int, *, by_header: bool = False) -> FaultConfig:
    fraction = Fraction(numerator=percent, denominator=100)
    status = None if by_header else 503
    one = Abort(
        field=FIELD, http_status=status, grpc_status=None, by_header=by_header, fraction=fraction
    )
    return FaultConfig(field=FIELD, abort=one)


@pytest.mark.parametrize(
    ("config", "drawn", "forced", "want"),
    [
        pytest.param(delay(50), 149, None, 5, id="hit"),
        pytest.param(delay(50), 150, None, None, id="missed"),
        pytest.param(delay(100), 99, None, 5, id="always"),
        pytest.param(delay(0), 0, None, None, id="never"),
        pytest.param(delay(0), 0, True, 5, id="forced"),
        pytest.param(delay(100), 0, False, None, id="forbidden"),
        pytest.param(delay(100, 0), 0, None, None, id="no-time-is-no-delay"),
        pytest.param(abort(100), 0, None, None, id="none-configured"),
    ],
)
def test_delay(config: FaultConfig, drawn: int, forced: bool | None, want: int | None) -> None:
    draws = Listed(values={"fault delay": [drawn]})

    found = delay_ns(config, request(), draws, forced=forced)

    assert found == (want and want * MS)


@pytest.mark.parametrize(
    ("headers", "want"),
    [
        pytest.param({}, None, id="not-asked-for"),
        pytest.param({"x_envoy_fault_abort_request": "429"}, Abortion(429), id="http"),
        pytest.param({"x_envoy_fault_abort_request": "600"}, None, id="no-status"),
        pytest.param({"x_envoy_fault_abort_grpc_request": "14"}, Abortion(200, 14), id="grpc"),
        pytest.param(
            {"x_envoy_fault_abort_request": "429", "x_envoy_fault_abort_request_percentage": "20"},
            None,
            id="for-fewer-requests",
        ),
        pytest.param(
            {"x_envoy_fault_abort_request": "429", "x_envoy_fault_abort_request_percentage": "99"},
            Abortion(429),
            id="never-for-more-than-configured",
        ),
    ],
)
def test_abort_asked_for_by_headers(headers: dict[str, str], want: Abortion | None) -> None:
    draws = Listed(values={"fault abort": [30]})

    assert abortion(abort(31, by_header=True), request(**headers), draws) == want


def test_both_are_rolled_for_on_their_own() -> None:
    draws = Listed(stream=99, values={"fault delay": [99], "fault abort": [0]})

    assert delay_ns(delay(50), request(), draws) is None
    assert abortion(abort(50), request(), draws) == Abortion(503)


@pytest.mark.parametrize(
    ("cluster", "want"), [pytest.param("a", True, id="its"), pytest.param("b", False, id="other")]
)
def test_only_requests_to_its_cluster(cluster: str, want: bool) -> None:
    config = FaultConfig(field=FIELD, upstream_cluster="a")

    assert applies(config, request(), cluster) is want
