from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.envoy.balance import Context, Host
from simulator.envoy.balance.balancer import Balancer
from simulator.envoy.balance.hashing import xx_hash
from simulator.envoy.balance.slow_start import factor
from simulator.envoy.balance.twister import Twister
from simulator.envoy.cluster import Cluster, Endpoint, Hashing, Health, Policy, SlowStart
from simulator.envoy.draws import Listed

SECOND = 1_000_000_000


def endpoints(count: int) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(address=f"10.0.0.{n}", port=80) for n in range(count))


def balanced(cluster: Cluster) -> tuple[Balancer, dict[str, Host]]:
    hosts = {each.key: Host(each) for each in cluster.endpoints}
    balancer = Balancer(cluster)
    balancer.refresh(cluster, hosts)
    return balancer, hosts


def chosen(balancer: Balancer, value: int) -> str:
    host = balancer.choose(Listed(), Context(hash=value))
    assert host is not None
    return host.endpoint.key


def test_nothing_hashes_to_what_xx_hash_says() -> None:
    assert xx_hash("") == 0xEF46DB3751D8E999


def test_the_twister_is_the_standard_library_s() -> None:
    # What std::mt19937 draws first and second when seeded with 5489: the C++ standard's own.
    drawn = Twister(5489)

    assert [drawn.below(2**32) for _ in range(2)] == [3499211612, 581869302]


@pytest.mark.parametrize("policy", [Policy.RING_HASH, Policy.MAGLEV])
def test_few_hashes_move_when_a_host_goes(policy: Policy) -> None:
    before, _ = balanced(Cluster(name="c", lb_policy=policy, endpoints=endpoints(5)))
    after, _ = balanced(Cluster(name="c", lb_policy=policy, endpoints=endpoints(4)))
    gone = "10.0.0.4:80"

    values = [xx_hash(str(n)) for n in range(1000)]
    stayed = [v for v in values if chosen(before, v) != gone]

    assert len(stayed) > 700
    assert sum(chosen(before, v) == chosen(after, v) for v in stayed) > 0.8 * len(stayed)


@pytest.mark.parametrize("policy", [Policy.RING_HASH, Policy.MAGLEV])
def test_the_share_of_hashes_is_the_weight(policy: Policy) -> None:
    heavy = Endpoint(address="10.0.0.9", port=80, weight=3)
    balancer, _ = balanced(Cluster(name="c", lb_policy=policy, endpoints=(*endpoints(1), heavy)))

    counts = Counter(chosen(balancer, xx_hash(str(n))) for n in range(4000))

    assert counts["10.0.0.9:80"] == pytest.approx(3000, rel=0.05)


def test_another_attempt_finds_another_place() -> None:
    cluster = Cluster(name="c", lb_policy=Policy.MAGLEV, endpoints=endpoints(20))
    balancer, hosts = balanced(cluster)
    first = hosts[chosen(balancer, 7)]

    other = balancer.choose(Listed(), Context(hash=7, avoid=[first], picks=5))

    assert other is not None
    assert other is not first


def test_a_busy_host_hands_its_hashes_on() -> None:
    cluster = Cluster(
        name="c",
        lb_policy=Policy.RING_HASH,
        endpoints=endpoints(3),
        hashing=Hashing(balance_factor=150),
    )
    balancer, hosts = balanced(cluster)
    own = chosen(balancer, 5)
    # Of 4 requests it may have 150 % of a third: 2, and one more that is on its way.
    hosts[own].active = 3

    assert chosen(balancer, 5) != own
    assert chosen(balancer, 5) == chosen(balancer, 5)


def test_a_hash_stays_in_its_priority() -> None:
    first = Endpoint(address="a", port=1)
    bad = Endpoint(address="b", port=1, health=Health.UNHEALTHY)
    spare = Endpoint(address="c", port=1, priority=1)
    cluster = Cluster(name="c", lb_policy=Policy.RING_HASH, endpoints=(first, bad, spare))
    balancer, _ = balanced(cluster)

    # Priority 0 is half healthy and takes 70 %; the hash itself is what is drawn.
    assert [chosen(balancer, value) for value in (0, 69, 70, 99)] == ["a:1", "a:1", "c:1", "c:1"]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(0, 2**64 - 1))
def test_every_hash_finds_a_host(weights: list[int], value: int) -> None:
    hosts = tuple(
        Endpoint(address=f"10.0.0.{n}", port=80, weight=weight) for n, weight in enumerate(weights)
    )
    cluster = Cluster(
        name="c", lb_policy=Policy.MAGLEV, endpoints=hosts, hashing=Hashing(table_size=101)
    )

    assert chosen(balanced(cluster)[0], value) in {host.key for host in hosts}


def test_localities_take_turns_by_what_of_them_can_serve() -> None:
    near = [Endpoint(address=f"n{n}", port=1, locality="near") for n in range(2)]
    far = [
        Endpoint(address="f0", port=1, locality="far"),
        Endpoint(address="f1", port=1, locality="far", health=Health.UNHEALTHY),
    ]
    cluster = Cluster(
        name="c",
        endpoints=(*near, *far),
        locality_weighted=True,
        locality_weights={(0, "near"): 3, (0, "far"): 2},
        panic_threshold=0,
    )
    balancer, _ = balanced(cluster)

    picks = [balancer.choose(Listed()) for _ in range(440)]
    counts = Counter(host.endpoint.locality for host in picks if host)

    # far: 2 * 140 % of a half = 1.4, near: 3.
    assert counts["near"] == pytest.approx(300, abs=2)
    assert counts["far"] == pytest.approx(140, abs=2)


@pytest.mark.parametrize(
    ("age_s", "settings", "want"),
    [
        pytest.param(0, {}, 0.1, id="never-less-than-a-tenth"),
        pytest.param(5, {}, 0.5, id="half-way"),
        pytest.param(10, {}, 1.0, id="over"),
        pytest.param(5, {"aggression": 2.0}, 0.5**0.5, id="aggressive"),
        pytest.param(0, {"min_weight_percent": 30.0}, 0.3, id="another-least"),
    ],
)
def test_slow_start(age_s: int, settings: dict[str, float], want: float) -> None:
    host = Host(Endpoint(address="a", port=1), now=SECOND)
    slow = SlowStart(window_ns=10 * SECOND, **settings)

    assert factor(slow, host, SECOND + age_s * SECOND) == pytest.approx(want)


def test_a_new_host_gets_less_until_it_is_warm() -> None:
    cluster = Cluster(name="c", endpoints=endpoints(2), slow_start=SlowStart(window_ns=10 * SECOND))
    hosts = {each.key: Host(each, now=-100 * SECOND) for each in cluster.endpoints}
    hosts["10.0.0.1:80"].since_ns = 0
    balancer = Balancer(cluster)
    balancer.refresh(cluster, hosts)

    picks = [balancer.choose(Listed(), Context(now=SECOND)) for _ in range(110)]
    counts = Counter(host.endpoint.key for host in picks if host)

    assert counts["10.0.0.1:80"] == pytest.approx(10, abs=2)
