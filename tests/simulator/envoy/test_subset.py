"""Subsets of a cluster: what a learner is told, and what changes with the hosts."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.envoy.balance import Context, Pick
from simulator.envoy.compile import Rejected, compile_cluster
from simulator.envoy.draws import Listed
from simulator.envoy.upstream import Upstream
from simulator.envoy_api import parse
from tests.simulator.envoy.playing import cluster

V1, V2, V9 = ({"version": version} for version in ("v1", "v2", "v9"))


def config(hosts: list[dict[str, Any]], subsets: dict[str, Any], **more: Any) -> Any:
    one = cluster("pages", *range(1, len(hosts) + 1), **more)
    groups = []
    for endpoint, own in zip(
        one["load_assignment"]["endpoints"][0]["lb_endpoints"], hosts, strict=True
    ):
        zone = own.pop("zone", "")
        endpoint["metadata"] = {"filter_metadata": {"envoy.lb": own}}
        groups.append((zone, endpoint))
    one["load_assignment"]["endpoints"] = [
        {
            "locality": {"zone": zone},
            "load_balancing_weight": 10,
            "lb_endpoints": [endpoint for at, endpoint in groups if at == zone],
        }
        for zone in sorted({zone for zone, _ in groups})
    ]
    policy = {"lb_subset_config": subsets} if "load_balancing_policy" not in more else {}
    return compile_cluster(parse({**one, **policy}, "envoy.config.cluster.v3.Cluster"))


def ports(one: Upstream, wanted: dict[str, Any] | None, count: int = 20) -> list[int]:
    found = []
    for _ in range(count):
        host = one.choose(Listed(), Context(metadata=wanted))
        found.append(host.endpoint.port if host else 0)
    return found


@pytest.mark.parametrize(
    ("subsets", "wanted", "reason"),
    [
        pytest.param({}, V2, "in the subset version=v2: it is its turn", id="found"),
        pytest.param({"fallback_policy": "ANY_ENDPOINT"}, V9,
                     "any endpoint, as no subset has version=v9: it is its turn", id="any"),
        pytest.param({"fallback_policy": "DEFAULT_SUBSET", "default_subset": V1}, {},
                     "in the default subset, as no subset is asked for: it is its turn",
                     id="default"),
        pytest.param({}, V9, "no subset has version=v9, and nothing is to take its place",
                     id="none"),
    ],
)  # fmt: skip
def test_the_reason_is_told(subsets: dict[str, Any], wanted: dict[str, Any], reason: str) -> None:
    given = {"subset_selectors": [{"keys": ["version"]}], **subsets}
    one = Upstream(config([dict(V1), dict(V2)], given))
    trail: list[Pick] = []
    context = Context(metadata=wanted)
    host = one.choose(Listed(), context, trail)

    assert (trail[-1].reason if host else context.missed) == reason


def test_turns_of_a_subset_go_on_when_hosts_change() -> None:
    given = {"subset_selectors": [{"keys": ["version"]}]}
    one = Upstream(config([dict(V1), dict(V1), dict(V2)], given))
    assert ports(one, V1, 3) == [1, 2, 1]

    one.update(config([dict(V1), dict(V1), dict(V2), dict(V2)], given))

    assert ports(one, V1, 2) == [2, 1]
    assert ports(one, V2, 2) == [3, 4]


def test_a_subset_is_gone_with_its_last_host() -> None:
    given = {"subset_selectors": [{"keys": ["version"]}]}
    one = Upstream(config([dict(V1), dict(V2)], given))
    assert ports(one, V2, 1) == [2]

    one.update(config([dict(V1)], given))

    assert ports(one, V2, 1) == [0]


@pytest.mark.parametrize(
    ("subsets", "want"),
    [
        pytest.param({}, [7, 7, 6], id="hosts-alike"),
        pytest.param({"locality_weight_aware": True}, [10, 5, 5], id="localities-alike"),
        pytest.param(
            {"locality_weight_aware": True, "scale_locality_weight": True},
            [4, 8, 8],
            id="localities-by-what-the-subset-has-of-them",
        ),
    ],
)
def test_localities_inside_a_subset(subsets: dict[str, Any], want: list[int]) -> None:
    # Of zone a, one of four hosts is in the subset; of zone b, two of two are.
    hosts = [{**V1, "zone": "a"}, *({**V2, "zone": "a"} for _ in range(3))]
    hosts += [{**V1, "zone": "b"}, {**V1, "zone": "b"}]
    given = {"subset_selectors": [{"keys": ["version"]}], **subsets}
    one = Upstream(config(hosts, given, common_lb_config={"locality_weighted_lb_config": {}}))

    found = ports(one, V1)

    assert [found.count(port) for port in (1, 5, 6)] == want


def test_the_extension_divides_another_policy() -> None:
    kinds = "type.googleapis.com/envoy.extensions.load_balancing_policies"
    child = {"typed_extension_config": {"name": "x", "typed_config": {
        "@type": f"{kinds}.round_robin.v3.RoundRobin"}}}  # fmt: skip
    whole = {
        "@type": f"{kinds}.subset.v3.Subset",
        "subset_selectors": [{"keys": ["version"]}],
        "subset_lb_policy": {"policies": [child]},
    }
    policy = {"policies": [{"typed_extension_config": {"name": "x", "typed_config": whole}}]}
    one = Upstream(config([dict(V1), dict(V2)], {}, load_balancing_policy=policy))

    assert set(ports(one, V2)) == {2}


@pytest.mark.parametrize(
    ("selector", "reason"),
    [
        pytest.param({"fallback_keys_subset": ["a"]}, "can be set only for KEYS_SUBSET",
                     id="without-the-policy"),
        pytest.param({"fallback_policy": "KEYS_SUBSET"}, "cannot be empty", id="no-keys"),
        pytest.param({"fallback_policy": "KEYS_SUBSET", "fallback_keys_subset": ["c"]},
                     "must be a subset of selector keys", id="other-keys"),
        pytest.param({"fallback_policy": "KEYS_SUBSET", "fallback_keys_subset": ["b", "a"]},
                     "cannot be equal to keys", id="the-same-keys"),
    ],
)  # fmt: skip
def test_what_envoy_refuses(selector: dict[str, Any], reason: str) -> None:
    with pytest.raises(Rejected, match=f"fallback_keys_subset {reason}"):
        config([], {"subset_selectors": [{"keys": ["a", "b"], **selector}]})


def test_a_cluster_that_chooses_itself_has_no_subsets() -> None:
    one = {"name": "x", "type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED",
           "lb_subset_config": {"subset_selectors": [{"keys": ["a"]}]}}  # fmt: skip
    with pytest.raises(Rejected, match="CLUSTER_PROVIDED cannot be combined with lb_subset_config"):
        compile_cluster(parse(one, "envoy.config.cluster.v3.Cluster"))
