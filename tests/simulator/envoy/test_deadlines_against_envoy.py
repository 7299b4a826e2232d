"""Deadlines of gRPC clients against the real Envoy, request by request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from simulator.envoy.timeout import parsed, written
from tests.simulator.envoy.comparing import Case, World, check, routes, world
from tests.simulator.envoy.real import http_listener

pytestmark = pytest.mark.envoy

GRPC = ("content-type", "application/grpc")
DEADLINES = [
    None, "1S", "500m", "1500m", "2000001u", "2M", "1H", "99999999H",
    "123456789m", "0S", "10x", "S", "-1S", "1.5S", "",
]  # fmt: skip
ACTIONS: dict[str, dict[str, Any]] = {
    "not-asked-for": {"timeout": "3s"},
    "unlimited": {"timeout": "3s", "max_grpc_timeout": "0s"},
    "limited": {"timeout": "3s", "max_grpc_timeout": "1.2s"},
    "with-offset": {"max_grpc_timeout": "0s", "grpc_timeout_offset": "0.2s"},
    "per-try": {
        "max_grpc_timeout": "0s",
        "retry_policy": {"retry_on": "reset", "per_try_timeout": "0.9s"},
    },
}


def cases() -> Iterator[Case]:
    for name, action in ACTIONS.items():
        route = {"route": {"cluster": "live", **action}}
        for at, deadline in enumerate(DEADLINES):
            told = () if deadline is None else (("grpc-timeout", deadline),)
            yield Case(f"{name}-{at}", route=route, headers=(GRPC, *told))
        yield Case(f"{name}-not-grpc", route=route, headers=(("grpc-timeout", "1S"),))
    for script in ("hang", "503"):
        yield Case(
            f"passed-{script}",
            route={"route": {"cluster": "live", "max_grpc_timeout": "0s"}},
            headers=(GRPC, ("grpc-timeout", "40m")),
            script=script,
        )


CASES = list(cases())


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    listeners = [http_listener("main", routes(CASES), [])]
    with world(CASES, listeners, tmp_path_factory.mktemp("deadlines")) as found:
        yield found


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_a_deadline_counts_as_in_envoy(compared: World, case: Case) -> None:
    check(compared, case)


@pytest.mark.parametrize(
    ("deadline", "want"),
    [
        pytest.param("1u", 1, id="less-than-a-millisecond-is-one"),
        pytest.param("1001u", 2, id="rounded-up"),
        pytest.param("0n", 0, id="nothing"),
        pytest.param("2H", 7_200_000, id="hours"),
        pytest.param("123456789m", None, id="too-many-digits"),
        pytest.param("1", None, id="no-unit"),
    ],
)
def test_a_deadline_is_read(deadline: str, want: int | None) -> None:
    assert parsed(deadline) == want


@pytest.mark.parametrize(
    ("milliseconds", "want"),
    [(1, "1m"), (99_999_999, "99999999m"), (100_000_000, "100000S"), (10**11, "1666666M")],
)
def test_a_deadline_is_written_in_eight_digits(milliseconds: int, want: str) -> None:
    assert written(milliseconds) == want
