from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.envoy.balance import Host
from simulator.envoy.cluster import Endpoint, Thresholds
from simulator.envoy.commands import Reset
from simulator.envoy.pool import UNLIMITED, Client, Connect, Limit, Overflow, Pool, Turn
from simulator.envoy.resources import Resources


class World:
    """Pools to some hosts, with the limits of one cluster."""

    def __init__(self, hosts: int = 1, *, lifetime: int = UNLIMITED, concurrent: int = 1,
                 connecting: bool = False, **limits: Any) -> None:  # fmt: skip
        self.resources = Resources(Thresholds(**limits))
        self.turns: deque[Turn[str]] = deque()
        self.connects: deque[Connect] = deque()
        connects = self.connects if connecting else None
        self.hosts = [Host(Endpoint(address=f"10.0.0.{n}", port=1)) for n in range(hosts)]
        self.pools: list[Pool[str]] = [
            Pool(host, self.resources, self.turns, concurrent=concurrent, lifetime=lifetime,
                 connects=connects)
            for host in self.hosts
        ]  # fmt: skip

    def told(self) -> list[tuple[str, Any]]:
        out = [(turn.waiter, turn.outcome) for turn in self.turns]
        self.turns.clear()
        return out


def client(outcome: Client | Overflow | None) -> Client:
    assert isinstance(outcome, Client)
    return outcome


def test_a_connection_is_used_again() -> None:
    world = World()
    (pool,) = world.pools
    first = client(pool.request("a"))
    pool.end(first)

    assert pool.request("b") is first
    assert (world.resources.connections, world.resources.requests) == (1, 1)


def test_the_one_used_last_comes_first() -> None:
    (pool,) = World().pools
    a, b = client(pool.request("a")), client(pool.request("b"))
    pool.end(b)
    pool.end(a)

    assert pool.request("c") is a


def test_who_finds_no_connection_waits_first_come_first_served() -> None:
    world = World(max_connections=1)
    (pool,) = world.pools
    only = client(pool.request("a"))

    assert [pool.request("b"), pool.request("c")] == [None, None]
    assert world.resources.pending == 2
    pool.end(only)
    assert world.told() == [("b", only)]
    pool.end(only)
    assert world.told() == [("c", only)]
    assert world.resources.pending == 0


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        pytest.param({"max_requests": 1}, Limit.REQUESTS, id="too-many-requests"),
        pytest.param(
            {"max_connections": 1, "max_pending_requests": 0}, Limit.PENDING, id="nobody-may-wait"
        ),
    ],
)
def test_a_circuit_breaker_refuses(limits: dict[str, Any], limit: Limit) -> None:
    world = World(**limits)
    (pool,) = world.pools
    if limit is Limit.PENDING:
        # Without a connection that is ready, even the first has to wait.
        assert pool.request("a") == Overflow(limit, 0)
        return
    pool.request("a")

    assert pool.request("b") == Overflow(limit, 1)


def test_a_second_waiter_may_be_one_too_many() -> None:
    (pool,) = World(max_connections=1, max_pending_requests=1).pools
    pool.request("a")
    pool.request("b")

    assert pool.request("c") == Overflow(Limit.PENDING, 1)


def test_each_host_gets_a_connection_whatever_the_limit() -> None:
    world = World(hosts=3, max_connections=1)

    outcomes = [pool.request("a") for pool in world.pools]

    assert all(isinstance(outcome, Client) for outcome in outcomes)
    assert world.resources.connections == 3
    assert world.pools[0].request("b") is None


def test_requests_of_http2_share_a_connection() -> None:
    world = World(concurrent=2)
    (pool,) = world.pools

    first, second, third = (client(pool.request(name)) for name in "abc")

    assert first is second
    assert third is not first
    assert world.resources.connections == 2


def test_a_connection_ends_after_its_last_request() -> None:
    world = World(lifetime=2)
    (pool,) = world.pools
    first = client(pool.request("a"))
    pool.end(first)
    pool.end(client(pool.request("b")))

    assert first.closed
    assert world.resources.connections == 0


def test_half_a_response_ends_a_connection() -> None:
    world = World(max_connections=1)
    (pool,) = world.pools
    first = client(pool.request("a"))
    pool.request("b")
    pool.end(first, Reset.LOCAL_RESET)

    ((waiter, second),) = world.told()

    assert waiter == "b"
    assert first.closed
    assert second is not first


def test_a_failed_connect_fails_everyone_who_waits() -> None:
    world = World(max_connections=1)
    (pool,) = world.pools
    first = client(pool.request("a"))
    pool.request("b")
    pool.request("c")
    reason = Reset.REMOTE_CONNECTION_FAILURE
    pool.end(first, reason)

    assert world.told() == [("b", reason), ("c", reason)]
    assert (world.resources.connections, world.resources.pending) == (0, 0)


def test_who_gives_up_leaves_the_queue() -> None:
    world = World(max_connections=1)
    (pool,) = world.pools
    first = client(pool.request("a"))
    pool.request("b")
    pool.request("c")
    pool.cancel("b")
    pool.end(first)

    assert world.told() == [("c", first)]


def test_who_gives_up_when_its_turn_has_come_gives_it_on() -> None:
    world = World(max_connections=1)
    (pool,) = world.pools
    first = client(pool.request("a"))
    pool.request("b")
    pool.request("c")
    pool.end(first)
    pool.cancel("b")

    assert world.told() == [("c", first)]


def test_a_host_that_is_gone_loses_its_connections() -> None:
    world = World()
    (pool,) = world.pools
    busy, idle = client(pool.request("a")), client(pool.request("b"))
    pool.end(idle)
    pool.drain()

    assert (idle.closed, busy.closed) == (True, False)
    pool.end(busy)
    assert world.resources.connections == 0


HAPPENINGS = st.tuples(
    st.integers(0, 1), st.sampled_from(["request", "end", "fail", "cancel"]), st.integers(0, 9)
)
LIMITS = st.fixed_dictionaries(
    {
        "max_connections": st.integers(0, 3),
        "max_pending_requests": st.integers(0, 3),
        "max_requests": st.integers(0, 4),
    }
)


@given(
    events=st.lists(HAPPENINGS, max_size=60),
    limits=LIMITS,
    concurrent=st.integers(1, 3),
    lifetime=st.sampled_from([1, 2, UNLIMITED]),
)
def test_nothing_is_lost_and_no_limit_is_passed(
    events: list[tuple[int, str, int]], limits: dict[str, Any], concurrent: int, lifetime: int
) -> None:
    world = World(2, concurrent=concurrent, lifetime=lifetime, **limits)
    resources = world.resources
    active: list[tuple[Pool[str], Client]] = []
    waiting: dict[str, Pool[str]] = {}
    for number, (which, what, at) in enumerate(events):
        pool = world.pools[which]
        if what == "request":
            name = str(number)
            outcome = pool.request(name)
            if isinstance(outcome, Client):
                active.append((pool, outcome))
            elif outcome is None:
                waiting[name] = pool
        elif what == "cancel" and waiting:
            name = sorted(waiting)[at % len(waiting)]
            waiting.pop(name).cancel(name)
        elif active:
            ended, on = active.pop(at % len(active))
            ended.end(on, Reset.REMOTE_RESET if what == "fail" else None)
        for name, outcome in world.told():
            ended = waiting.pop(name)
            if isinstance(outcome, Client):
                active.append((ended, outcome))

        assert resources.pending == len(waiting) <= limits["max_pending_requests"]
        assert resources.requests == len(active) <= limits["max_requests"]
        assert resources.requests == sum(host.active for host in world.hosts)
        # A pool without any connection makes its first whatever the limit says: with two hosts,
        # the second pool may be one beyond it.
        assert resources.connections <= limits["max_connections"] + (
            1 if limits["max_connections"] else 2
        )


def test_a_connection_is_made_for_each_who_waits() -> None:
    world = World(connecting=True)
    (pool,) = world.pools

    assert [pool.request("a"), pool.request("b")] == [None, None]
    first, second = world.connects
    second.done()
    assert [waiter for waiter, _ in world.told()] == ["a"]
    first.done()
    assert [waiter for waiter, _ in world.told()] == ["b"]


def test_one_connection_is_made_for_all_whom_it_can_take() -> None:
    world = World(connecting=True, concurrent=2)
    (pool,) = world.pools
    for waiter in "abc":
        pool.request(waiter)

    first, _ = world.connects
    first.done()
    assert [waiter for waiter, _ in world.told()] == ["a", "b"]
    assert world.resources.pending == 1


def test_a_failed_connection_fails_all_who_wait() -> None:
    world = World(connecting=True)
    (pool,) = world.pools
    pool.request("a")
    pool.request("b")

    first, second = world.connects
    first.fail(Reset.CONNECTION_TIMEOUT)
    assert world.told() == [("a", Reset.CONNECTION_TIMEOUT), ("b", Reset.CONNECTION_TIMEOUT)]
    second.done()
    assert world.told() == []
    assert isinstance(pool.request("c"), Client)


def test_a_connection_that_nobody_waits_for_any_more_is_kept() -> None:
    world = World(connecting=True)
    (pool,) = world.pools
    pool.request("a")
    pool.cancel("a")

    world.connects.popleft().done()
    assert isinstance(pool.request("b"), Client)
    assert (world.resources.connections, world.resources.pending) == (1, 0)


def test_a_connection_to_a_host_that_is_gone_is_closed_after_its_last_request() -> None:
    world = World(connecting=True)
    (pool,) = world.pools
    pool.request("a")
    pool.drain()

    world.connects.popleft().done()
    ((_, outcome),) = world.told()
    pool.end(client(outcome))
    assert world.resources.connections == 0


def test_more_connections_are_made_only_as_far_as_they_may() -> None:
    world = World(connecting=True, max_connections=1)
    (pool,) = world.pools
    pool.request("a")

    assert not pool.full
    pool.request("b")
    assert pool.full
    assert len(world.connects) == 1
