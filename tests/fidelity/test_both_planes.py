"""Real Envoys and the simulator do the same with the lab's own solution."""

from __future__ import annotations

from pathlib import Path

import pytest

from labs.catalogue import lab
from sandbox.box import Sandbox
from sandbox.fidelity.replay import replay_all
from simulator.config.scenario import Request
from simulator.scenario import Scenario

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(180)]

GATEWAY = "istio-ingressgateway.istio-system"
REQUESTS = [
    Request.model_validate(each)
    for each in (
        {"id": "reader", "url": "http://bookshop.example/productpage", "via": GATEWAY, "count": 60},
        {
            "id": "jason",
            "url": "http://bookshop.example/productpage",
            "via": GATEWAY,
            "headers": {"end-user": "jason"},
            "count": 20,
        },
        {"id": "stranger", "url": "http://nowhere.example/", "via": GATEWAY},
        {
            "id": "reviews",
            "from": "productpage-v1.default",
            "url": "http://reviews:9080/reviews/0",
            "count": 60,
        },
        {
            "id": "stars",
            "from": "reviews-v2.default",
            "url": "http://ratings:9080/ratings/0",
            "count": 40,
        },
        {
            "id": "beyond",
            "from": "productpage-v1.default",
            "url": "http://details:9080/none?x=1",
            "method": "POST",
            "body": "hello",
            "headers": {"x-two": ["a", "b"]},
        },
    )
]


@pytest.mark.parametrize("answer", ["solution", "start", "wrong/subset-never-defined"])
def test_each_request_is_replayed_without_a_difference(answer: str) -> None:
    canary = lab("canary-release")
    files = [canary.folder / answer / name for name in canary.files]
    own = [path if path.exists() else canary.solution_folder / path.name for path in files]
    scenario = Scenario.load(str(canary.scenario_path), [str(Path(path)) for path in own])

    with Sandbox.start(scenario) as box:
        seen = box.probe(REQUESTS, at_once=4)
    comparison = replay_all(scenario, REQUESTS, seen)

    assert comparison.n == sum(each.count for each in REQUESTS)
    assert [str(each.difference) for each in comparison.differences] == []
    assert [each for each in comparison.shares if not each.ok] == []
    assert comparison.ok
