from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.envoy.balance import Host
from simulator.envoy.cluster import Endpoint, OutlierDetection
from simulator.envoy.draws import Listed
from simulator.envoy.outlier import Detector, Result, status_of, threshold

SECOND = 1_000_000_000


class World:
    """The hosts of one cluster under watch; names are their letters."""

    def __init__(self, names: str = "ab", **config: Any) -> None:
        self.hosts = {name: Host(Endpoint(address=name, port=1)) for name in names}
        self.changes: list[int] = []
        given = {"max_ejection_percent": 100, **config}
        self.detector = Detector(OutlierDetection(**given), 0, self._changed)
        self.detector.update(self.hosts.values())
        self.draws = Listed()

    def _changed(self, now: int) -> None:
        self.changes.append(now)

    def see(self, name: str, *results: int | Result, at: float = 0) -> None:
        for result in results:
            kind, status = (Result.ANSWERED, result) if isinstance(result, int) else (result, None)
            self.detector.report(self.hosts[name], kind, int(at * SECOND), self.draws, status)

    def out(self, at: float = 0) -> str:
        self.detector.advance(int(at * SECOND), self.draws)
        return "".join(name for name, host in self.hosts.items() if host.ejected)


@pytest.mark.parametrize(
    ("config", "results", "want"),
    [
        pytest.param({}, [500] * 4, "", id="one-less-than-needed"),
        pytest.param({}, [500] * 5, "a", id="five-in-a-row"),
        pytest.param({}, [500, 500, 200, 500, 500, 500], "", id="a-success-starts-anew"),
        pytest.param({}, [500] * 4 + [404, 500], "", id="a-client-error-is-a-success"),
        pytest.param({"consecutive_5xx": 2}, [503, Result.FAILED], "a", id="failures-count-too"),
        pytest.param({"consecutive_5xx": 2}, [Result.TIMED_OUT] * 2, "a", id="time-outs-too"),
        pytest.param({"consecutive_5xx": 2}, [500, Result.CONNECTED, 500], "a",
                     id="to-connect-is-no-success"),
        pytest.param(
            {"consecutive_gateway_failure": 2, "enforcing_consecutive_gateway_failure": 100},
            [502, 500, 503, 504], "a", id="gateway-failures-in-a-row"),
        pytest.param(
            {"consecutive_gateway_failure": 2, "enforcing_consecutive_gateway_failure": 100},
            [502, 500, 503], "", id="another-error-between"),
        pytest.param({"consecutive_gateway_failure": 2}, [502] * 3, "",
                     id="gateway-failures-are-not-enforced-by-default"),
        pytest.param(
            {"split_external_local_origin_errors": True, "consecutive_5xx": 2}, [Result.FAILED] * 4,
            "", id="split-local-failures-are-no-5xx"),
        pytest.param(
            {"split_external_local_origin_errors": True, "consecutive_local_origin_failure": 2},
            [Result.FAILED, 200, Result.TIMED_OUT], "a", id="split-an-answer-changes-nothing"),
        pytest.param(
            {"split_external_local_origin_errors": True, "consecutive_local_origin_failure": 2},
            [Result.FAILED, Result.CONNECTED, Result.FAILED], "", id="split-connecting-does"),
    ],
)  # fmt: skip
def test_failures_in_a_row(config: dict[str, Any], results: list[Any], want: str) -> None:
    world = World(**config)

    world.see("a", *results)

    assert world.out() == want


@pytest.mark.parametrize(
    ("names", "percent", "config", "failing", "want"),
    [
        pytest.param("abcdefghij", 10, {}, "abc", "a", id="one-of-ten"),
        pytest.param("abcdefghi", 10, {}, "a", "", id="one-of-nine-is-more-than-ten-percent"),
        pytest.param("abc", 10, {"always_eject_one_host": True}, "ab", "a", id="always-one"),
        pytest.param("abcd", 50, {}, "abcd", "ab", id="half"),
        pytest.param("ab", 100, {}, "ab", "ab", id="all"),
    ],
)
def test_how_many_may_be_out(
    names: str, percent: int, config: dict[str, Any], failing: str, want: str
) -> None:
    world = World(names, max_ejection_percent=percent, consecutive_5xx=1, **config)

    for name in failing:
        world.see(name, 500)

    assert world.out() == want


def test_a_host_comes_back_at_a_tick_and_not_before() -> None:
    world = World(consecutive_5xx=1, interval_ns=10 * SECOND, base_ejection_time_ns=15 * SECOND)
    world.see("a", 500, at=3)

    # Its 15 s are over at 18 s; the next tick is at 20 s.
    assert [world.out(at) for at in (9, 18, 19.9, 20)] == ["a", "a", "a", ""]
    assert world.hosts["a"].since_ns == 20 * SECOND
    assert world.changes == [3 * SECOND, 20 * SECOND]


def test_each_ejection_lasts_longer_and_good_times_make_up_for_it() -> None:
    world = World(
        consecutive_5xx=1,
        interval_ns=SECOND,
        base_ejection_time_ns=2 * SECOND,
        max_ejection_time_ns=5 * SECOND,
    )
    times: list[float] = []
    now = 0.5
    for _ in range(4):
        world.see("a", 500, at=now)
        began = now
        while world.out(now):
            now += 0.5
        times.append(now - began)

    # 2, 4, then never more than 5; each rounded up to the next tick.
    assert times == [2.5, 4.0, 5.0, 5.0]
    # Three good ticks take three off the multiplier of 4; one more ejection makes it 2.
    world.see("a", 500, at=now + 3.95)
    assert world.out(now + 7.9)
    assert not world.out(now + 8)


def test_no_enforcing_no_ejection() -> None:
    world = World(consecutive_5xx=1, enforcing_consecutive_5xx=30)
    world.draws.values["outlier enforcing"] = [30, 29]

    world.see("a", 500)
    assert world.out() == ""
    world.see("a", 500)
    assert world.out() == "a"


def test_jitter_prolongs_an_ejection() -> None:
    world = World(
        consecutive_5xx=1,
        interval_ns=SECOND,
        base_ejection_time_ns=SECOND,
        max_ejection_time_jitter_ns=3 * SECOND,
    )
    world.draws.values["ejection jitter"] = [3001 + 2000]
    world.see("a", 500)

    assert [bool(world.out(at)) for at in (2, 3)] == [True, False]


def rates(world: World, percent: dict[str, int], volume: int = 100) -> None:
    for name, good in percent.items():
        world.see(name, *([200] * (good * volume // 100)), *([404] * 0))
        bad = volume - good * volume // 100
        for _ in range(bad):
            world.see(name, 500)
            world.detector._monitors[world.hosts[name]].errors = 0


@pytest.mark.parametrize(
    ("config", "percent", "want"),
    [
        pytest.param({}, {"a": 50, "b": 100, "c": 100, "d": 100, "e": 100}, "a", id="much-worse"),
        pytest.param({}, {"a": 80, "b": 90, "c": 90, "d": 90, "e": 100}, "", id="not-much-worse"),
        pytest.param({}, {"a": 0, "b": 100, "c": 100, "d": 100}, "", id="too-few-to-compare"),
        pytest.param(
            {"success_rate_stdev_factor": 2100},
            {"a": 50, "b": 100, "c": 100, "d": 100, "e": 100}, "", id="another-factor"),
        pytest.param(
            {"enforcing_success_rate": 0, "enforcing_failure_percentage": 100},
            {"a": 15, "b": 16, "c": 0, "d": 100, "e": 100}, "ac", id="failure-percentage"),
    ],
)  # fmt: skip
def test_those_that_did_much_worse(
    config: dict[str, Any], percent: dict[str, int], want: str
) -> None:
    world = World("".join(percent), **config)
    rates(world, percent)

    assert world.out(9) == ""
    assert world.out(10) == want


def test_rates_are_those_of_the_last_interval_alone() -> None:
    world = World("abcde")
    rates(world, {"a": 50, "b": 100, "c": 100, "d": 100, "e": 100}, volume=90)

    # 90 requests are not enough to compare, and are not added to the next interval's.
    world.out(10)
    world.see("a", *[200] * 20, at=11)
    assert world.out(20) == ""


def test_the_threshold_of_the_manual() -> None:
    assert threshold([50, 100, 100, 100, 100], 1.9) == pytest.approx(52)


@pytest.mark.parametrize(
    ("status", "grpc", "want"),
    [(200, None, 200), (200, "0", 200), (200, "14", 503), (200, "13", 500), (200, "x", 200)],
)
def test_what_a_grpc_response_counts_as(status: int, grpc: str | None, want: int) -> None:
    assert status_of(status, grpc) == want


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from([200, 500, 503]), st.integers(0, 4)),
        max_size=80,
    ),
    st.integers(0, 100),
)
def test_never_more_are_out_than_allowed(events: list[tuple[str, int, int]], percent: int) -> None:
    world = World("abc", max_ejection_percent=percent, consecutive_5xx=2)
    now = 0
    for name, status, wait in events:
        now += wait
        world.see(name, status, at=now)

        assert 100 * len(world.out(now)) / 3 <= percent
