"""A whole bookshop of real Envoys, probed: what comes back, and what is refused."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.box import Sandbox
from sandbox.errors import Unsupported
from sandbox.probe import probe
from simulator.config.scenario import Behaviour, Request
from simulator.istiod.registry import UnknownProxyError
from simulator.observe.observation import Observation
from tests.sandbox.meshes import bookshop

pytestmark = pytest.mark.envoy
CLIENT = "productpage-v1.default"


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox.start(bookshop()) as started:
        yield started


def request(url: str, *, client: str = CLIENT, **more: Any) -> Request:
    return Request.model_validate({"from": client, "url": url, **more})


def one(box: Sandbox, url: str, **more: Any) -> Observation:
    (seen,) = box.probe([request(url, **more)])
    return seen


def test_a_request_is_seen_by_its_client_and_by_each_proxy_on_its_way(box: Sandbox) -> None:
    seen = one(box, "http://reviews:9080/reviews/0", headers={"end-user": "jason"}, id="jason")

    assert (seen.id, seen.n, seen.status, seen.error) == ("jason", 0, 200, None)
    assert seen.upstream is not None
    assert (seen.upstream.pod, seen.upstream.version) == ("reviews-v2-0.default", "v2")
    assert (seen.route, seen.virtual_host, seen.attempts) == (
        "jason",
        "reviews.default.svc.cluster.local:9080",
        1,
    )
    assert seen.response_headers is not None
    assert seen.response_headers["x-workload-pod"] == "reviews-v2-0.default"
    assert [(hop.proxy, hop.direction) for hop in seen.hops] == [
        ("productpage-v1-0.default", "outbound"),
        ("reviews-v2-0.default", "inbound"),
        ("reviews-v2-0.default", "outbound"),
        ("ratings-v1-0.default", "inbound"),
    ]


def test_the_upstream_is_named_by_its_address_in_the_mesh(box: Sandbox) -> None:
    seen = one(box, "http://details:9080/")
    pod = box.plan.mesh.pod("details-v1.default")

    assert [hop.upstream.address for hop in seen.hops if hop.upstream] == [f"{pod.ip}:9080"] * 2


def test_a_workload_answers_what_it_was_sent(box: Sandbox) -> None:
    seen = one(box, "http://reviews:9080/old/1?q=2", headers={"X-A": ["1", "2"]})
    assert seen.body is not None
    said = json.loads(seen.body)

    assert (said["pod"], said["version"]) == ("reviews-v3-0.default", "v3")
    assert (said["headers"]["x-a"], said["headers"]["x-lane"]) == ("1,2", "blue")
    assert seen.request_headers_upstream is not None
    assert seen.request_headers_upstream[":path"] == "/new/1?q=2"


def test_a_request_from_outside_comes_through_the_gateway(box: Sandbox) -> None:
    seen = one(box, "http://shop.example.com/productpage", client="outside")

    assert seen.status == 200
    assert [hop.direction for hop in seen.hops][:3] == ["gateway", "inbound", "outbound"]
    assert len({hop.proxy for hop in seen.hops}) >= 4


@pytest.mark.parametrize(
    ("url", "more", "status", "flags", "details"),
    [
        pytest.param(
            "http://reviews:9080/broken", {}, 555, ("FI",), "fault_filter_abort", id="a-fault"
        ),
        pytest.param(
            "http://other.example.com/",
            {"client": "outside", "via": "istio-ingressgateway.istio-system"},
            404,
            ("NR",),
            "route_not_found",
            id="no-route",
        ),
    ],
)
def test_what_never_leaves_the_proxy_has_no_attempt(
    box: Sandbox, url: str, more: dict[str, Any], status: int, flags: tuple[str, ...], details: str
) -> None:
    seen = one(box, url, **more)

    assert (seen.status, seen.response_flags, seen.details, seen.attempts) == (
        status,
        flags,
        details,
        0,
    )
    assert seen.request_headers_upstream is None


def test_a_host_without_an_address_is_an_error_of_the_client(box: Sandbox) -> None:
    seen = one(box, "http://nobody:9080/")

    assert (seen.status, seen.error, seen.hops) == (None, "could not resolve host: nobody", ())


def test_a_request_is_sent_as_often_as_it_says(box: Sandbox) -> None:
    seen = box.probe([request("http://details:9080/", count=40), request("http://ratings:9080/")])

    assert Counter((each.id, each.status) for each in seen) == {
        ("request-1", 200): 40,
        ("request-2", 200): 1,
    }
    assert [each.n for each in seen] == [*range(40), 0]
    assert all(len(each.hops) == 2 for each in seen)


def test_many_at_once_are_told_apart(box: Sandbox) -> None:
    todo = [request("http://details:9080/", headers={"mark": str(mark)}) for mark in range(60)]
    seen = box.probe(todo, at_once=8)

    assert [
        {(hop.request_headers_upstream or {}).get("mark") for hop in each.hops} for each in seen
    ] == [{str(mark)} for mark in range(60)]


def test_a_probe_can_be_made_inside_a_running_loop(box: Sandbox) -> None:
    async def cell() -> Observation:
        return one(box, "http://details:9080/")

    assert asyncio.run(cell()).status == 200


@pytest.mark.parametrize(
    ("wanted", "what"),
    [
        pytest.param(request("tcp://reviews:9080", protocol="tcp"), "tcp", id="plain-bytes"),
        pytest.param(request("tcp://reviews:9080", protocol="tls"), "tls", id="bytes-in-tls"),
        pytest.param(request("http://reviews:7777/"), ":7777", id="a-port-nobody-listens-on"),
        pytest.param(
            request("http://api.example.com:9080/"), "PassthroughCluster", id="beyond-the-mesh"
        ),
    ],
)
def test_what_cannot_be_carried_is_refused_by_name(
    box: Sandbox, wanted: Request, what: str
) -> None:
    with pytest.raises(Unsupported, match=what):
        box.probe([wanted])


def test_an_unknown_client_is_named(box: Sandbox) -> None:
    with pytest.raises(UnknownProxyError, match="nobody"):
        box.probe([request("http://reviews:9080/", client="nobody.default")])


def test_workloads_behave_as_the_scenario_says() -> None:
    behaviour = {"script": [{"status": 500}, {"status": 200}, {"status": 418}]}
    shop = bookshop("", behaviours={"details-v1": Behaviour.model_validate(behaviour)})
    seen = probe(shop, [request("http://details:9080/", count=4)])

    assert [each.status for each in seen] == [500, 200, 418, 500]


def test_privileged_ports_are_served_without_privileges() -> None:
    (seen,) = probe(bookshop("", port=80), [request("http://details:9080/")])

    assert seen.status == 200
    assert seen.upstream is not None
    assert seen.upstream.address is not None
    assert seen.upstream.address.endswith(":80")


def test_a_call_that_cannot_be_carried_is_refused_before_anything_starts() -> None:
    behaviour = {"calls": [{"url": "http://details:7777/"}]}
    shop = bookshop("", behaviours={"reviews-v1": Behaviour.model_validate(behaviour)})

    with pytest.raises(Unsupported, match=r"reviews-v1\.default.*7777"):
        probe(shop, [])


def test_another_driver_is_refused_by_name() -> None:
    with pytest.raises(Unsupported, match="podman"):
        probe(bookshop(""), [], driver="podman")
