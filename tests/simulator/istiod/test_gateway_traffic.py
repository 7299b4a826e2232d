"""Gateway API: where requests go."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from simulator.config.scenario import Request
from tests.simulator.istiod.gateways import (
    APPS,
    ask,
    backend,
    gateway,
    grant,
    listener,
    made,
    reached,
    route,
    rule,
    secret,
)
from tests.support.mesh import deployment, scenario, service

RULES = [
    rule(backend("ratings"), path="/"),
    rule(path="/a"),
    rule(backend("ratings"), exact="/a/b"),
    {
        "backendRefs": [backend("ratings")],
        "matches": [
            {
                "path": {"type": "PathPrefix", "value": "/a"},
                "headers": [{"name": "x-canary", "value": "yes"}],
            }
        ],
    },
]


@pytest.mark.parametrize("order", list(itertools.permutations(range(len(RULES))))[::5])
def test_the_more_specific_match_wins_whatever_the_order(order: tuple[int, ...]) -> None:
    whole = scenario(*APPS, gateway(), route("reviews", *(RULES[at] for at in order)))

    assert reached(ask(whole, "/x")) == (200, "ratings")
    assert reached(ask(whole, "/a")) == (200, "reviews")
    assert reached(ask(whole, "/a/c")) == (200, "reviews")
    assert reached(ask(whole, "/ab")) == (200, "ratings")
    assert reached(ask(whole, "/a/b")) == (200, "ratings")
    assert reached(ask(whole, "/a", headers={"x-canary": "yes"})) == (200, "ratings")


def test_the_older_of_equal_routes_wins() -> None:
    older = route("z", rule(backend("ratings")), created="2024-01-01T00:00:00Z")
    newer = route("a", rule(), created="2025-01-01T00:00:00Z")

    assert reached(ask(scenario(*APPS, gateway(), newer, older))) == (200, "ratings")


def test_hosts_of_a_route_are_no_more_than_its_listener_has() -> None:
    whole = scenario(
        *APPS,
        gateway(listener(hostname="*.example.com")),
        route(hostnames=["a.example.com", "example.org"]),
    )

    assert ask(whole, host="a.example.com").status == 200
    assert ask(whole, host="b.example.com").status == 404
    assert ask(whole, host="example.org").status == 404


def test_the_most_specific_listener_has_a_host_to_itself() -> None:
    whole = scenario(
        *APPS,
        gateway(listener("all"), listener("one", hostname="a.example.com")),
        route("all", rule(path="/all"), parents=[{"name": "shop", "sectionName": "all"}]),
        route("one", rule(path="/one"), parents=[{"name": "shop", "sectionName": "one"}]),
    )

    assert ask(whole, "/one", host="a.example.com").status == 200
    assert ask(whole, "/all", host="a.example.com").status == 404
    assert ask(whole, "/all", host="b.example.com").status == 200


@pytest.mark.parametrize(
    "broken",
    [backend("nowhere"), backend(namespace="other"), backend(kind="Oddity", group="e.com")],
)
def test_a_backend_that_is_invalid_answers_500(broken: dict[str, Any]) -> None:
    whole = scenario(
        *APPS, service("reviews", namespace="other"), gateway(), route("r", rule(broken))
    )

    assert ask(whole).status == 500


def test_a_share_goes_to_the_invalid_backend() -> None:
    split = rule(backend(weight=3), backend("nowhere", weight=1), backend("ratings", weight=0))
    whole = scenario(*APPS, gateway(), route("r", split))

    seen = whole.probe(
        [Request.model_validate({"url": "http://a/", "via": "shop-istio.default", "count": 400})]
    )
    statuses = [each.status for each in seen]
    assert set(statuses) == {200, 500}
    assert 60 < statuses.count(500) < 140
    assert "ratings" not in {reached(each)[1] for each in seen}


def test_a_grant_opens_a_backend() -> None:
    whole = scenario(
        *APPS,
        service("paid", namespace="other"),
        deployment("paid", "paid", namespace="other"),
        gateway(),
        route("r", rule(backend("paid", namespace="other"))),
        grant("default", "Service", namespace="other"),
    )

    assert reached(ask(whole)) == (200, "paid")


@pytest.mark.parametrize(
    ("given", "asked", "location"),
    [
        (
            {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/new"}},
            "/old/x",
            "http://a.example.com/new/x",
        ),
        ({"hostname": "b.org"}, "/old/x", "http://b.org/old/x"),
        ({"scheme": "https"}, "/old/x", "https://a.example.com/old/x"),
        ({"port": 8080}, "/old/x", "http://a.example.com:8080/old/x"),
        (
            {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/"}},
            "/old/x",
            "http://a.example.com/",
        ),
    ],
)
def test_a_redirect(given: dict[str, Any], asked: str, location: str) -> None:
    filters = [{"type": "RequestRedirect", "requestRedirect": given}]
    one = {"matches": [{"path": {"type": "PathPrefix", "value": "/old"}}], "filters": filters}
    seen = ask(scenario(*APPS, gateway(), route("r", one)), asked)

    assert seen.status == 302
    assert (seen.response_headers or {})["location"] == location


@pytest.mark.parametrize(
    ("prefix", "asked", "path"),
    [
        ("/new", "/old/x", "/new/x"),
        ("/", "/old/x", "/x"),
        ("/", "/old", "/"),
    ],
)
def test_a_prefix_is_rewritten_by_elements(prefix: str, asked: str, path: str) -> None:
    rewrite = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": prefix}}
    one = rule(path="/old", filters=[{"type": "URLRewrite", "urlRewrite": rewrite}])
    seen = ask(scenario(*APPS, gateway(), route("r", one)), asked)

    assert (seen.hops[0].request_headers_upstream or {})[":path"] == path


def test_headers_are_changed() -> None:
    change = {
        "set": [{"name": "x-set", "value": "new"}],
        "add": [{"name": "x-add", "value": "more"}],
        "remove": ["x-gone"],
    }
    one = rule(
        filters=[{"type": "RequestHeaderModifier", "requestHeaderModifier": change}],
    )
    sent = {"x-set": "old", "x-add": "some", "x-gone": "1"}
    seen = ask(scenario(*APPS, gateway(), route("r", one)), headers=sent)

    headers = seen.hops[0].request_headers_upstream or {}
    assert (headers["x-set"], headers["x-add"]) == ("new", "some,more")
    assert "x-gone" not in headers


@pytest.mark.parametrize(
    ("namespace", "client", "backend_seen"),
    [("default", "client.default", "ratings"), ("clients", "near.clients", "ratings")],
)
def test_routes_of_services_lead_calls_within_the_mesh(
    namespace: str, client: str, backend_seen: str
) -> None:
    parent = {"group": "", "kind": "Service", "name": "reviews", "namespace": "default"}
    to = backend("ratings", namespace="default")
    whole = scenario(
        *APPS,
        made("Namespace", "clients", {}, version="v1", key="spec").replace(
            '"namespace": "default"', '"labels": {"istio-injection": "enabled"}'
        ),
        deployment("near", "near", namespace="clients"),
        deployment("far", "far", namespace="default"),
        route("mesh", rule(to), parents=[parent], namespace=namespace),
        grant(namespace, "Service", namespace="default"),
    )
    url = "http://reviews.default:9080/"

    (near,) = whole.probe([Request.model_validate({"url": url, "from": client})])
    assert reached(near) == (200, backend_seen)
    (far,) = whole.probe([Request.model_validate({"url": url, "from": "far.default"})])
    # A consumer's route is for its own namespace; a producer's for all.
    assert reached(far) == (200, "ratings" if namespace == "default" else "reviews")


def test_an_explanation_leads_to_the_route_as_written() -> None:
    whole = scenario(*APPS, gateway(), route("reviews", rule(path="/a")))
    found = whole.translate("shop-istio.default").provenance

    at = [each for each in found.values() if each.startswith(f"{len(APPS) + 1}.yaml")]
    assert at
    assert any("route" in field.path for field, place in found.items() if place in at)


def test_the_order_of_objects_decides_nothing() -> None:
    texts = [*APPS, gateway(), route("a", rule(path="/a")), route("b", rule(path="/b"))]
    seen = []
    for given in (texts, texts[::-1]):
        whole = scenario(*given)
        resources = whole.translate("shop-istio.default").resources
        seen.append([one.SerializeToString(deterministic=True) for one in resources.routes])

    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    ("sni", "host", "status"),
    [
        pytest.param("a.example.com", "a.example.com", 200, id="the-connections-own-host"),
        pytest.param("a.example.com", "b.example.com", 421, id="a-host-of-the-other-listener"),
        pytest.param("b.example.com", "c.example.com", 200, id="another-host-of-a-wildcard"),
        pytest.param("b.example.com", "a.example.com", 421, id="a-host-that-has-its-own-listener"),
        pytest.param("b.example.com", "example.org", 404, id="a-host-of-no-listener"),
    ],
)
def test_a_request_on_another_hosts_connection(sni: str, host: str, status: int) -> None:
    tls = {"certificateRefs": [{"name": "cert"}]}
    secure = {"protocol": "HTTPS", "port": 443, "tls": tls}
    whole = scenario(
        *APPS,
        secret("cert"),
        gateway(
            listener("one", hostname="a.example.com", **secure),
            listener("all", hostname="*.example.com", **secure),
        ),
        route("one", rule(), parents=[{"name": "shop", "sectionName": "one"}]),
        route("all", rule(), parents=[{"name": "shop", "sectionName": "all"}]),
    )
    wanted = {"url": f"https://{host}/", "via": "shop-istio.default", "tls": {"sni": sni}}
    (seen,) = whole.probe([Request.model_validate(wanted)])

    assert seen.status == status
