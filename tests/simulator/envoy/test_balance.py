from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.envoy.balance import Balancer, Context, Host, Pick
from simulator.envoy.balance.edf import Scheduler
from simulator.envoy.balance.priority import Census, share
from simulator.envoy.cluster import Cluster, Endpoint, Health, Policy
from simulator.envoy.draws import Listed


def endpoint(name: str, **more: Any) -> Endpoint:
    return Endpoint(address=name, port=1, **more)


def balancer(
    *endpoints: Endpoint,
    active: dict[str, int] | None = None,
    **settings: Any,
) -> Balancer:
    cluster = Cluster(name="c", endpoints=endpoints, **settings)
    hosts = {each.key: Host(each) for each in endpoints}
    for name, count in (active or {}).items():
        hosts[f"{name}:1"].active = count
    out = Balancer(cluster)
    out.refresh(cluster, hosts)
    return out


def names(chooser: Balancer, count: int, draws: Listed) -> str:
    picks = [chooser.choose(draws) for _ in range(count)]
    return "".join(pick.endpoint.address if pick else "-" for pick in picks)


A, B, C = endpoint("a"), endpoint("b"), endpoint("c")
BAD = endpoint("x", health=Health.UNHEALTHY)
POOR = endpoint("p", health=Health.DEGRADED)


@pytest.mark.parametrize(
    ("endpoints", "settings", "values", "want"),
    [
        pytest.param((A, B, C), {}, {"turn": [1]}, "bcabca", id="turns-begin-at-a-drawn-host"),
        pytest.param((A, BAD, C), {}, {}, "acacac", id="unhealthy-is-passed-over"),
        pytest.param(
            (A, BAD, POOR),
            {"panic_threshold": 0},
            {"priority": [0, 99]},
            "ap",
            id="degraded-takes-what-healthy-cannot",
        ),
        pytest.param((A, BAD, BAD), {}, {"priority": [0]}, "axxa", id="panic-uses-all"),
        pytest.param((BAD,), {"panic_threshold": 0}, {}, "--", id="no-panic-no-host"),
        pytest.param((), {}, {}, "--", id="no-endpoints"),
        pytest.param(
            (A, B, C),
            {"lb_policy": Policy.RANDOM},
            {"endpoint": [5, 0, 7, 2**64 - 1]},
            "caba",
            id="random-by-remainder",
        ),
        pytest.param(
            (endpoint("a", weight=3), B), {}, {"turn": [0]}, "aabaaaba", id="weights-by-deadline"
        ),
        pytest.param(
            (endpoint("a", weight=7), endpoint("b", weight=7)),
            {},
            {},
            "abab",
            id="equal-weights-are-turns",
        ),
        pytest.param(
            (A, endpoint("b", priority=1)),
            {},
            {"priority": [0, 99]},
            "aa",
            id="first-priority-takes-all",
        ),
        pytest.param(
            (BAD, endpoint("b", priority=1)),
            {},
            {"priority": [0, 99]},
            "bb",
            id="next-priority-when-the-first-is-down",
        ),
    ],
)
def test_choice(
    endpoints: tuple[Endpoint, ...],
    settings: dict[str, Any],
    values: dict[str, list[int]],
    want: str,
) -> None:
    unique = tuple(
        Endpoint(
            address=e.address, port=1 + i, weight=e.weight, health=e.health, priority=e.priority
        )
        for i, e in enumerate(endpoints)
    )

    assert names(balancer(*unique, **settings), len(want), Listed(values=values)) == want


@pytest.mark.parametrize(
    ("active", "drawn", "want"),
    [
        pytest.param({"a": 2, "b": 1}, [0, 1], "b", id="the-less-loaded"),
        pytest.param({"a": 1, "b": 1}, [1, 0], "b", id="a-tie-keeps-the-first-drawn"),
        pytest.param({"a": 9}, [0, 0], "a", id="one-host-drawn-twice"),
    ],
)
def test_least_request_compares_two_drawn_hosts(
    active: dict[str, int], drawn: list[int], want: str
) -> None:
    chooser = balancer(A, B, C, active=active, lb_policy=Policy.LEAST_REQUEST)

    assert names(chooser, 1, Listed(values={"endpoint": drawn})) == want


def test_least_request_with_weights_divides_by_the_load() -> None:
    heavy = endpoint("a", weight=4)
    chooser = balancer(heavy, B, active={"a": 7}, lb_policy=Policy.LEAST_REQUEST)

    # The busy host's weight is 4 / 8, less than the idle one's 1.
    assert names(chooser, 4, Listed(values={"turn": [0]})) == "babb"


def test_full_scan_draws_among_equals() -> None:
    chooser = balancer(A, B, C, active={"a": 1}, lb_policy=Policy.LEAST_REQUEST, full_scan=True)

    assert names(chooser, 2, Listed(values={"endpoint": [1, 0]})) == "bc"


def test_a_host_to_avoid_is_picked_again_only_at_last() -> None:
    chooser = balancer(A, B, lb_policy=Policy.RANDOM)
    first = chooser.choose(Listed())
    assert first is not None
    trail: list[Pick] = []

    again = Context(avoid=[first], picks=2)
    other = chooser.choose(Listed(values={"endpoint": [0, 1]}), again, trail)
    same = chooser.choose(Listed(), again)

    assert other is not None
    assert other.endpoint is B
    assert same is first
    assert [(pick.host.endpoint.address, pick.kept) for pick in trail] == [
        ("a", False),
        ("b", True),
    ]


def test_turns_go_on_when_hosts_change() -> None:
    chooser = balancer(A, B, C)
    assert names(chooser, 2, Listed()) == "ab"

    cluster = Cluster(name="c", endpoints=(A, B))
    chooser.refresh(cluster, {each.key: Host(each) for each in (A, B)})

    assert names(chooser, 2, Listed()) == "ab"


@given(
    weights=st.lists(st.integers(1, 50), min_size=2, max_size=6),
    picks=st.integers(0, 2**40),
)
def test_a_schedule_serves_by_weight(weights: list[int], picks: int) -> None:
    entries = list(range(len(weights)))

    def weight(entry: int) -> float:
        return float(weights[entry])

    scheduler = Scheduler(entries, weight, picks % 10_000)

    total = sum(weights)
    served = Counter(scheduler.pick(weight) for _ in range(3 * total))

    for entry, expected in enumerate(weights):
        assert abs(served[entry] - 3 * expected) <= 2


def test_a_schedule_started_late_equals_one_that_ran() -> None:
    weights = {"a": 5.0, "b": 3.0, "c": 1.0}
    ran = Scheduler(list(weights), weights.__getitem__, 0)
    for _ in range(23):
        ran.pick(weights.__getitem__)
    late = Scheduler(list(weights), weights.__getitem__, 23)

    def next_of(scheduler: Scheduler[str]) -> list[str | None]:
        return [scheduler.pick(weights.__getitem__) for _ in range(20)]

    assert next_of(ran) == next_of(late)


@pytest.mark.parametrize(
    ("counts", "threshold", "healthy", "degraded", "panic"),
    [
        pytest.param(
            [(100, 72, 0), (10, 10, 0)],
            50,
            (100, 0),
            (0, 0),
            (False, False),
            id="72-percent-is-enough",
        ),
        pytest.param(
            [(100, 71, 0), (10, 10, 0)], 50, (99, 1), (0, 0), (False, False), id="71-percent-spills"
        ),
        pytest.param([(2, 1, 0), (2, 2, 0)], 50, (70, 30), (0, 0), (False, False), id="half"),
        pytest.param(
            [(4, 1, 0), (4, 1, 0)], 50, (50, 50), (0, 0), (True, True), id="total-panic-by-size"
        ),
        pytest.param(
            [(10, 1, 0), (10, 5, 0)], 30, (17, 83), (0, 0), (True, False), id="one-in-panic"
        ),
        pytest.param(
            [(0, 0, 0), (3, 3, 0)], 50, (0, 100), (0, 0), (False, False), id="empty-first"
        ),
        pytest.param([(2, 1, 1)], 50, (70,), (30,), (False,), id="degraded"),
        pytest.param([(2, 0, 0)], 0, (100,), (0,), (False,), id="nobody-and-no-panic"),
        pytest.param([(0, 0, 0)], 50, (100,), (0,), (True,), id="nothing-at-all"),
    ],
)
def test_loads(
    counts: list[tuple[int, int, int]],
    threshold: int,
    healthy: tuple[int, ...],
    degraded: tuple[int, ...],
    panic: tuple[bool, ...],
) -> None:
    census = [Census(total=t, healthy=h, degraded=d) for t, h, d in counts]

    loads = share(census, census, panic_threshold=threshold)

    assert (loads.healthy, loads.degraded, loads.panic) == (healthy, degraded, panic)


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=4
    ),
    st.integers(0, 100),
)
def test_loads_sum_up_to_a_hundred(parts: list[tuple[int, int, int]], threshold: int) -> None:
    census = [Census(total=h + d + u, healthy=h, degraded=d) for h, d, u in parts]

    loads = share(census, census, panic_threshold=threshold)

    assert sum(loads.healthy) + sum(loads.degraded) == 100
