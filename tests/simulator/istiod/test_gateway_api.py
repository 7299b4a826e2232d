"""Gateway API: what is attached to what, and what is said of it."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.config.load import load_texts
from simulator.istiod.analyze import analyze
from tests.simulator.istiod.gateways import (
    APPS,
    PEM,
    backend,
    brief,
    gateway,
    grant,
    listener,
    made,
    mesh,
    route,
    rule,
    said,
    secret,
)
from tests.support.mesh import service


def test_a_gateway_is_deployed_with_a_service() -> None:
    found = mesh(gateway(listener(), listener("alt", port=8080)))

    assert found.pod("shop-istio.default").gateway
    served = found.services["shop-istio.default.svc.cluster.local"]
    assert sorted(port.number for port in served.ports) == [80, 8080, 15021]
    assert said(found, "Gateway", "shop").addresses


def test_what_is_written_is_not_deployed_again() -> None:
    written = service("shop-istio", port=1234)
    found = mesh(gateway(), written)

    ports = found.services["shop-istio.default.svc.cluster.local"].ports
    assert [port.number for port in ports] == [1234]


def test_gateways_of_other_controllers_are_left_alone() -> None:
    spec = {"gatewayClassName": "other", "listeners": [listener()]}
    controller = made("GatewayClass", "other", {"controllerName": "example.com/controller"})
    found = mesh(controller, made("Gateway", "shop", spec))

    assert found.statuses == ()
    assert [pod.name for pod in found.pods if pod.gateway] == ["istio-ingressgateway-0"]


@pytest.mark.parametrize(
    ("one", "reasons"),
    [
        pytest.param(listener(), {"Accepted": "Accepted", "ResolvedRefs": "ResolvedRefs"}, id="ok"),
        pytest.param(
            listener(protocol="example.com/odd"),
            {"Accepted": "UnsupportedProtocol"},
            id="protocol",
        ),
        pytest.param(
            listener(protocol="HTTPS", tls={"certificateRefs": [{"name": "missing"}]}),
            {"ResolvedRefs": "InvalidCertificateRef"},
            id="no-secret",
        ),
        pytest.param(
            listener(
                protocol="HTTPS",
                tls={"certificateRefs": [{"name": "there", "namespace": "certificates"}]},
            ),
            {"ResolvedRefs": "RefNotPermitted"},
            id="no-grant",
        ),
        pytest.param(
            listener(allowedRoutes={"kinds": [{"kind": "TCPRoute"}]}),
            {"ResolvedRefs": "InvalidRouteKinds"},
            id="kinds",
        ),
    ],
)
def test_what_is_said_of_a_listener(one: dict[str, Any], reasons: dict[str, str]) -> None:
    found = mesh(gateway(one), secret("there", "certificates"))

    (told,) = said(found, "Gateway", "shop").listeners
    assert reasons.items() <= brief(told.conditions).items()


def test_a_grant_opens_a_secret() -> None:
    tls = {"certificateRefs": [{"name": "there", "namespace": "certificates"}]}
    permitted = grant("default", "Secret", namespace="certificates", kind="Gateway")
    found = mesh(
        gateway(listener(protocol="HTTPS", tls=tls)), secret("there", "certificates"), permitted
    )

    (told,) = said(found, "Gateway", "shop").listeners
    assert brief(told.conditions)["ResolvedRefs"] == "ResolvedRefs"


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (
            listener("two", protocol="HTTPS", tls={"certificateRefs": [{"name": "cert"}]}),
            "Protocol",
        ),
        (listener("two", hostname="other.example.com"), ""),
    ],
)
def test_listeners_may_be_in_each_others_way(second: dict[str, Any], reason: str) -> None:
    found = mesh(gateway(listener(), second), secret("cert"))

    told = [brief(each.conditions) for each in said(found, "Gateway", "shop").listeners]
    assert (told[1]["Conflicted"] != "NoConflicts") == bool(reason)
    assert reason in told[1]["Conflicted"]


# Routes and their parents.


@pytest.mark.parametrize(
    ("of_listener", "of_route", "reason"),
    [
        ({}, {}, "Accepted"),
        ({}, {"parents": [{"name": "shop", "sectionName": "none"}]}, "NoMatchingParent"),
        ({}, {"parents": [{"name": "shop", "port": 81}]}, "NoMatchingParent"),
        (
            {"hostname": "*.example.com"},
            {"hostnames": ["example.org"]},
            "NoMatchingListenerHostname",
        ),
        ({"hostname": "*.example.com"}, {"hostnames": ["a.b.example.com"]}, "Accepted"),
        (
            {},
            {"parents": [{"name": "shop", "namespace": "default"}], "namespace": "other"},
            "NotAllowedByListeners",
        ),
        (
            {"allowedRoutes": {"namespaces": {"from": "All"}}},
            {"parents": [{"name": "shop", "namespace": "default"}], "namespace": "other"},
            "Accepted",
        ),
        (
            {"allowedRoutes": {"kinds": [{"kind": "GRPCRoute"}]}},
            {},
            "NotAllowedByListeners",
        ),
    ],
)
def test_what_a_parent_makes_of_a_route(
    of_listener: dict[str, Any], of_route: dict[str, Any], reason: str
) -> None:
    found = mesh(gateway(listener(**of_listener)), route(**of_route))

    (parent,) = said(found, "HTTPRoute", "reviews").parents
    assert brief(parent.conditions)["Accepted"] == reason
    (told,) = said(found, "Gateway", "shop").listeners
    assert told.attached == (1 if reason == "Accepted" else 0)


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (backend(), "ResolvedRefs"),
        (backend("nowhere"), "BackendNotFound"),
        (backend(namespace="other"), "RefNotPermitted"),
        (backend(kind="Oddity", group="example.com"), "InvalidKind"),
    ],
)
def test_what_is_said_of_backends(wanted: dict[str, Any], reason: str) -> None:
    found = mesh(gateway(), route("reviews", rule(wanted)), service("reviews", namespace="other"))

    (parent,) = said(found, "HTTPRoute", "reviews").parents
    assert brief(parent.conditions)["ResolvedRefs"] == reason


@pytest.mark.parametrize(
    ("texts", "code", "place", "words"),
    [
        ((route(parents=[{"name": "shp"}]), gateway()), "IST0101", "name", "did you mean shop?"),
        (
            (route(parents=[{"name": "shop", "sectionName": "tls"}]), gateway()),
            "gateway-api-not-accepted",
            "sectionName",
            "no listener called tls",
        ),
        (
            (route("reviews", rule(backend("nowhere"))), gateway()),
            "gateway-api-unresolved",
            "backendRefs",
            "there is no service nowhere",
        ),
        (
            (gateway().replace('"istio"', '"itsio"'),),
            "IST0101",
            "gatewayClassName",
            "did you mean istio?",
        ),
    ],
)
def test_analysis_names_the_field_to_blame(
    texts: tuple[str, ...], code: str, place: str, words: str
) -> None:
    found = analyze(load_texts([(f"{at}.yaml", text) for at, text in enumerate((*texts, *APPS))]))

    (finding,) = [each for each in found if each.code == code]
    assert words in str(finding)
    assert finding.position is not None
    assert finding.position.file == "0.yaml"
    # Everything stands on one line: the column tells where.
    assert place in texts[0][: finding.position.column - 1].rpartition(" ")[0][-40:]


def test_a_mesh_that_is_right_has_no_findings_of_gateway_api() -> None:
    texts = (*APPS, gateway(), route())
    found = analyze(load_texts([(f"{at}.yaml", text) for at, text in enumerate(texts)]))

    assert [each for each in found if each.code.startswith("gateway-api")] == []


@pytest.mark.parametrize(
    ("authority", "accepted"), [("root", "Accepted"), ("missing", "NoValidCACertificate")]
)
def test_a_policy_makes_gateways_speak_tls(authority: str, accepted: str) -> None:
    spec = {
        "targetRefs": [{"group": "", "kind": "Service", "name": "reviews"}],
        "validation": {
            "hostname": "reviews.example.com",
            "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": authority}],
        },
    }
    root = made(
        "ConfigMap", "root", {"ca.crt": PEM.format("CERTIFICATE")}, version="v1", key="data"
    )
    found = mesh(gateway(), route(), root, made("BackendTLSPolicy", "tls", spec))

    told = said(found, "BackendTLSPolicy", "tls").parents
    assert {brief(each.conditions)["Accepted"] for each in told} == {accepted}
    made_rules = [each for each in found.manifests.of("DestinationRule") if "reviews" in each.name]
    assert [each.spec.traffic_policy.tls.sni for each in made_rules] == ["reviews.example.com"]
