"""`proxy-config`, `proxy-status` and `authz check`: a mesh as istioctl shows it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox import detached
from tests.labs.cli.conftest import Command

ISTIOD = "istiod.istio-system.svc.cluster.local"
PRODUCTPAGE = "deploy/productpage-v1"
POLICIES = """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: readers}
spec:
  selector: {matchLabels: {app: reviews}}
  rules:
  - to: [{operation: {methods: [GET]}}]
  - to: [{operation: {methods: [HEAD]}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: no-admin, namespace: istio-system}
spec: {action: DENY, rules: [{to: [{operation: {paths: [/admin]}}]}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: of-ratings}
spec: {selector: {matchLabels: {app: ratings}}}
"""


def cells(printed: str) -> list[list[str]]:
    """Take a table apart: its columns are blanks apart, and the first line names them."""
    return [line.split() for line in printed.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        pytest.param(
            ["listeners", "--port", "9080"],
            [
                "ADDRESSES PORT MATCH DESTINATION",
                "0.0.0.0 9080 Trans: raw_buffer; App: HTTP Route: 9080",
                "0.0.0.0 9080 ALL PassthroughCluster",
            ],
            id="the-chains-of-a-port",
        ),
        pytest.param(
            ["listeners", "--address", "0.0.0.0", "--type", "tcp"],
            [
                "ADDRESSES PORT MATCH DESTINATION",
                "0.0.0.0 15001 ALL PassthroughCluster",
                "0.0.0.0 15001 Addr: *:15001 Non-HTTP/Non-TCP",
            ],
            id="tcp-listeners-that-take-any-address",
        ),
        pytest.param(
            ["clusters", "--fqdn", "reviews", "--subset", "v1", "--direction", "outbound"],
            [
                "SERVICE FQDN PORT SUBSET DIRECTION TYPE DESTINATION RULE",
                "reviews.default.svc.cluster.local 9080 v1 outbound EDS reviews.default",
            ],
            id="a-subset-and-the-rule-that-made-it",
        ),
        pytest.param(
            ["endpoints", "--cluster", "outbound|9080||details.default.svc.cluster.local"],
            [
                "ENDPOINT STATUS OUTLIER CHECK CLUSTER",
                "10.244.0.1:9080 HEALTHY OK outbound|9080||details.default.svc.cluster.local",
            ],
            id="the-endpoints-of-a-cluster",
        ),
        pytest.param(
            ["routes", "--name", "15010"],
            [
                "NAME VHOST NAME DOMAINS MATCH VIRTUAL SERVICE",
                f"15010 {ISTIOD}:15010 istiod.istio-system, 10.96.0.13 /*",
            ],
            id="the-routes-of-a-port",
        ),
        pytest.param(
            ["secrets"],
            ["RESOURCE NAME TYPE STATUS VALID CERT SERIAL NUMBER NOT AFTER NOT BEFORE"],
            id="no-certificates",
        ),
    ],
)
def test_proxy_config(
    meshdojo: Command, shop: Path, arguments: list[str], wanted: list[str]
) -> None:
    kind, *filters = arguments

    found = meshdojo("proxy-config", kind, PRODUCTPAGE, "-f", shop, *filters)

    assert found.code == 0
    assert cells(found.out) == cells("\n".join(wanted))


def test_routes_name_the_virtual_service_that_made_them(meshdojo: Command, shop: Path) -> None:
    shown = meshdojo("pc", "r", PRODUCTPAGE, "-f", shop, "--name", "9080").out

    of_reviews = [line.split() for line in shown.splitlines() if "reviews.default.svc" in line]
    assert [(line[-2], line[-1]) for line in of_reviews] == [
        ("/*", "reviews.default"),
        ("/old/*", "reviews.default"),
        ("/broken*", "reviews.default"),
        ("/*", "reviews.default"),
    ]


def test_resources_as_json_are_envoys_own(meshdojo: Command, shop: Path) -> None:
    found = meshdojo("pc", "c", PRODUCTPAGE, "-f", shop, "--fqdn", "ratings", "-o", "json")

    (cluster,) = json.loads(found.out)
    assert cluster["name"] == "outbound|9080||ratings.default.svc.cluster.local"
    assert cluster["type"] == "EDS"


def test_endpoints_as_json(meshdojo: Command, shop: Path) -> None:
    found = meshdojo("pc", "ep", PRODUCTPAGE, "-f", shop, "--address", "10.244.0.1", "-o", "json")

    assert json.loads(found.out)["endpoints"] == [
        {
            "address": "10.244.0.1",
            "port": 9080,
            "cluster": "outbound|9080||details.default.svc.cluster.local",
            "status": "HEALTHY",
            "ejected": False,
        }
    ]


def test_an_unknown_proxy_is_usage(meshdojo: Command, shop: Path) -> None:
    assert meshdojo("pc", "l", "deploy/productpage-v1", "-n", "other", "-f", shop).code == 2


def test_at_rest_every_proxy_is_synced(meshdojo: Command, shop: Path) -> None:
    found = cells(meshdojo("proxy-status", "-f", shop).out.replace("NOT SENT", "NOT-SENT"))

    assert found[0] == ["NAME", "CLUSTER", "CDS", "LDS", "EDS", "RDS", "ECDS", "ISTIOD", "VERSION"]
    assert {tuple(row[2:7]) for row in found[1:]} == {(*["SYNCED"] * 4, "NOT-SENT")}
    assert "productpage-v1-0.default" in [row[0] for row in found]


def test_authz_check_lists_what_holds_for_the_workload(
    meshdojo: Command, shop: Path, tmp_path: Path
) -> None:
    (tmp_path / "policies.yaml").write_text(POLICIES)

    def check(proxy: str) -> list[list[str]]:
        return cells(meshdojo("authz", "check", proxy, "-f", tmp_path).out)[1:]

    denied = ["DENY", "no-admin.istio-system", "1"]
    # As bytes, what comes in has no method: no rule is left there, and nothing is allowed.
    nothing = ["ALLOW", "_anonymous_match_nothing_", "1"]
    assert check("deploy/reviews-v1") == [denied, nothing, ["ALLOW", "readers.default", "2"]]
    assert check("deploy/ratings-v1") == [denied, ["ALLOW", "of-ratings.default", "1"]]
    assert check("deploy/details-v1") == [denied]


@pytest.mark.envoy
def test_a_sandbox_tells_what_its_envoys_hold(meshdojo: Command, shop: Path) -> None:
    entry = detached.up([str(shop)])
    try:
        clusters = meshdojo("pc", "c", PRODUCTPAGE, "--sandbox", entry.id, "--fqdn", "reviews")
        endpoints = meshdojo("pc", "ep", PRODUCTPAGE, "--sandbox", entry.id, "--port", "9080")
        routes = meshdojo("pc", "r", PRODUCTPAGE, "--sandbox", entry.id, "--name", "9080")
        status = meshdojo("proxy-status", "productpage", "--sandbox", entry.id)
        unknown = meshdojo("pc", "c", "deploy/nobody", "--sandbox", entry.id)
    finally:
        detached.down(entry.id)

    simulated = meshdojo("pc", "c", PRODUCTPAGE, "-f", shop, "--fqdn", "reviews")
    assert clusters.out == simulated.out
    assert routes.out == meshdojo("pc", "r", PRODUCTPAGE, "-f", shop, "--name", "9080").out
    assert " HEALTHY     OK " in endpoints.out
    assert cells(status.out)[1][:6] == ["productpage-v1-0.default", "Kubernetes", *["SYNCED"] * 4]
    assert unknown.code == 2
