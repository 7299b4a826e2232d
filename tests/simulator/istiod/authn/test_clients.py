"""How a proxy speaks to the clusters that it sends to."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.envoy_api import format as as_json
from simulator.envoy_api import unpack
from simulator.istiod.generate import generate
from tests.simulator.istiod.authn.test_peers import policy
from tests.simulator.istiod.meshes import shop

RATINGS = "outbound|9080||ratings.default.svc.cluster.local"
NOT_AUTOMATIC = """
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: 'enableAutoMtls: false'}
"""
RULE = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: ratings}}
spec: {{host: ratings, trafficPolicy: {{tls: {tls}}}}}
"""


def cluster(*texts: str) -> Any:
    mesh = shop(*texts)
    resources = generate(mesh, mesh.pod("reviews-v1.default")).resources
    return next(each for each in resources.clusters if each.name == RATINGS)


def context(socket: Any) -> dict[str, Any]:
    return as_json(unpack(socket.typed_config))


def test_sidecars_secure_what_they_say_to_each_other() -> None:
    (secured, plain) = cluster().transport_socket_matches

    assert as_json(secured.match) == {"tlsMode": "istio"}
    assert plain.transport_socket.name == "envoy.transport_sockets.raw_buffer"
    written = context(secured.transport_socket)
    assert written["sni"] == "outbound_.9080_._.ratings.default.svc.cluster.local"
    names = written["common_tls_context"]["combined_validation_context"]
    assert names["default_validation_context"]["match_subject_alt_names"] == [
        {"exact": "spiffe://cluster.local/ns/default/sa/ratings"}
    ]


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param([policy("{mtls: {mode: DISABLE}}")], id="the namespace wants none"),
        pytest.param([RULE.format(tls="{mode: DISABLE}")], id="a rule forbids it"),
        pytest.param(
            [NOT_AUTOMATIC],
            id="the mesh does not do it of its own accord",
        ),
    ],
)
def test_where_nothing_is_secured(texts: list[str]) -> None:
    found = cluster(*texts)

    assert not found.transport_socket_matches
    assert not found.HasField("transport_socket")


def test_a_rule_may_insist() -> None:
    found = cluster(RULE.format(tls="{mode: ISTIO_MUTUAL, sni: other, subjectAltNames: [someone]}"))

    written = context(found.transport_socket)
    assert written["sni"] == "other"
    assert not found.transport_socket_matches


def test_ordinary_tls_shows_no_certificate() -> None:
    found = cluster(RULE.format(tls="{mode: SIMPLE, caCertificates: /ca.pem}"))

    common = context(found.transport_socket)["common_tls_context"]
    assert "tls_certificate_sds_secret_configs" not in common
    root = common["combined_validation_context"]["validation_context_sds_secret_config"]
    assert root["name"] == "file-root:/ca.pem"


def test_an_endpoint_whose_port_wants_none_is_not_marked() -> None:
    text = policy(
        "{selector: {matchLabels: {app: ratings}},"
        " portLevelMtls: {'9080': {mode: DISABLE}}, mtls: {mode: STRICT}}"
    )
    mesh = shop(text)
    resources = generate(mesh, mesh.pod("reviews-v1.default")).resources
    marks = {
        each.cluster_name: "envoy.transport_socket_match"
        in each.endpoints[0].lb_endpoints[0].metadata.filter_metadata
        for each in resources.endpoints
        if each.endpoints
    }

    assert not marks[RATINGS]
    assert marks["outbound|9080||details.default.svc.cluster.local"]
