"""What chance decides is tested as shares: right ones are let pass, wrong ones are not."""

from __future__ import annotations

import random

import pytest

from sandbox.fidelity.shares import shares
from simulator.config.scenario import Request
from simulator.scenario import Scenario
from tests.support.mesh import deployment, istio, scenario, service

REQUEST = Request.model_validate({"from": "shop.default", "url": "http://reviews:9080/"})


def mesh(v1: int, v2: int) -> Scenario:
    subsets = [{"name": each, "labels": {"version": each}} for each in ("v1", "v2")]
    route = [
        {"destination": {"host": "reviews", "subset": "v1"}, "weight": v1},
        {"destination": {"host": "reviews", "subset": "v2"}, "weight": v2},
    ]
    return scenario(
        service("reviews"),
        deployment("reviews-v1", "reviews", version="v1"),
        deployment("reviews-v2", "reviews", version="v2", replicas=3),
        service("shop"),
        deployment("shop", "shop"),
        istio("DestinationRule", "reviews", {"host": "reviews", "subsets": subsets}),
        istio("VirtualService", "reviews", {"hosts": ["reviews"], "http": [{"route": route}]}),
    )


def judged(played: Scenario, expected: Scenario, *, count: int = 500, seed: int = 1) -> list[bool]:
    seen = played.probe([REQUEST.model_copy(update={"count": count})], seed=seed)
    resources = {"shop-0.default": expected.translate("deploy/shop.default").resources}
    return [each.ok for each in shares(seen, resources)]


def test_weights_and_endpoints_are_both_choices() -> None:
    assert judged(mesh(90, 10), mesh(90, 10)) == [True] * 5


def test_wrong_weights_show() -> None:
    assert False in judged(mesh(75, 25), mesh(90, 10))


def test_right_weights_are_hardly_ever_refused() -> None:
    seeds = [random.Random(7).getrandbits(32) + each for each in range(20)]
    refused = [seed for seed in seeds if False in judged(mesh(50, 50), mesh(50, 50), seed=seed)]

    assert refused == []


def test_a_cluster_with_one_endpoint_is_no_choice() -> None:
    played = scenario(
        service("reviews"),
        deployment("reviews", "reviews"),
        service("shop"),
        deployment("shop", "shop"),
    )

    assert judged(played, played) == []


@pytest.mark.parametrize("count", [1, 5])
def test_few_requests_prove_nothing(count: int) -> None:
    assert False not in judged(mesh(75, 25), mesh(90, 10), count=count)
