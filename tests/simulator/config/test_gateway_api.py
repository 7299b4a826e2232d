"""Gateway API's objects: what an API server takes, what it refuses, and where the fault is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simulator.config.load import load_texts
from simulator.diagnostics import Diagnostic, Level

BACKEND = {"name": "shop", "port": 80}
LISTENER = {"name": "http", "port": 80, "protocol": "HTTP"}
TARGET = {"group": "", "kind": "Service", "name": "shop"}
CHECK = {"hostname": "shop.example", "wellKnownCACertificates": "System"}


def read(kind: str, spec: dict[str, Any], version: str = "v1") -> tuple[int, list[Diagnostic]]:
    manifest = {
        "apiVersion": f"gateway.networking.k8s.io/{version}",
        "kind": kind,
        "metadata": {"name": "it"},
        "spec": spec,
    }
    loaded = load_texts([("it.yaml", json.dumps(manifest, indent=1))])
    found = [each for each in loaded.diagnostics if each.level is Level.ERROR]
    return len(loaded.objects), found


def http(**rule: Any) -> tuple[str, dict[str, Any]]:
    return "HTTPRoute", {"rules": [rule]}


def gateway(*listeners: dict[str, Any], **fields: Any) -> tuple[str, dict[str, Any]]:
    return "Gateway", {"gatewayClassName": "istio", "listeners": list(listeners), **fields}


def policy(*targets: dict[str, Any], **check: Any) -> tuple[str, dict[str, Any]]:
    return "BackendTLSPolicy", {"targetRefs": list(targets), "validation": CHECK | check}


REFUSED = {
    "a parent twice without telling which part": (
        ("TCPRoute", {"parentRefs": [{"name": "g"}] * 2, "rules": [{"backendRefs": [BACKEND]}]}),
        "spec.parentRefs[1]",
    ),
    "a parent once with a section, once without": (
        (
            "HTTPRoute",
            {"parentRefs": [{"name": "g"}, {"name": "g", "sectionName": "http"}]},
        ),
        "spec.parentRefs[1]",
    ),
    "two rules of one name": (
        ("HTTPRoute", {"rules": [{"name": "a"}, {"name": "a"}]}),
        "spec.rules[1].name",
    ),
    "more matches than 128": (
        ("GRPCRoute", {"rules": [{"matches": [{"method": {"service": "a"}}] * 43}] * 3}),
        "spec.rules",
    ),
    "a Service without a port": (
        http(backendRefs=[{"name": "shop"}]),
        "spec.rules[0].backendRefs[0]",
    ),
    "a path without a slash": (
        http(matches=[{"path": {"value": "shop"}}]),
        "spec.rules[0].matches[0].path.value",
    ),
    "a path with two slashes": (
        http(matches=[{"path": {"type": "Exact", "value": "/a//b"}}]),
        "spec.rules[0].matches[0].path.value",
    ),
    "a header matched twice": (
        http(matches=[{"headers": [{"name": "a", "value": "1"}] * 2}]),
        "spec.rules[0].matches[0].headers[1]",
    ),
    "a filter without what its type asks for": (
        http(filters=[{"type": "URLRewrite"}]),
        "spec.rules[0].filters[0]",
    ),
    "a filter with another type's field": (
        http(filters=[{"type": "URLRewrite", "urlRewrite": {}, "cors": {}}]),
        "spec.rules[0].filters[0]",
    ),
    "a rewrite beside a redirect": (
        http(
            filters=[
                {"type": "URLRewrite", "urlRewrite": {}},
                {"type": "RequestRedirect", "requestRedirect": {}},
            ]
        ),
        "spec.rules[0].filters",
    ),
    "a redirect beside backends": (
        http(filters=[{"type": "RequestRedirect", "requestRedirect": {}}], backendRefs=[BACKEND]),
        "spec.rules[0].filters",
    ),
    "a prefix replaced that is not matched": (
        http(
            matches=[{"path": {"type": "Exact", "value": "/a"}}],
            filters=[
                {
                    "type": "URLRewrite",
                    "urlRewrite": {
                        "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/b"}
                    },
                }
            ],
        ),
        "spec.rules[0].filters",
    ),
    "a new path of another type": (
        http(
            filters=[
                {
                    "type": "RequestRedirect",
                    "requestRedirect": {
                        "path": {
                            "type": "ReplaceFullPath",
                            "replaceFullPath": "/a",
                            "replacePrefixMatch": "/b",
                        }
                    },
                }
            ]
        ),
        "spec.rules[0].filters[0].requestRedirect.path.type",
    ),
    "a share of more than the whole": (
        http(
            filters=[
                {
                    "type": "RequestMirror",
                    "requestMirror": {"backendRef": BACKEND, "fraction": {"numerator": 101}},
                }
            ]
        ),
        "spec.rules[0].filters[0].requestMirror.fraction.numerator",
    ),
    "a try that may take longer than the request": (
        http(timeouts={"request": "1s", "backendRequest": "1001ms"}),
        "spec.rules[0].timeouts.backendRequest",
    ),
    "a duration in microseconds": (
        http(timeouts={"request": "100us"}),
        "spec.rules[0].timeouts.request",
    ),
    "any origin, and one more": (
        http(filters=[{"type": "CORS", "cors": {"allowOrigins": ["*", "https://a.example"]}}]),
        "spec.rules[0].filters[0].cors.allowOrigins",
    ),
    "a session by cookie without a cookie": (
        http(sessionPersistence={"type": "Cookie"}),
        "spec.rules[0].sessionPersistence",
    ),
    "a gRPC method with neither part": (
        ("GRPCRoute", {"rules": [{"matches": [{"method": {}}]}]}),
        "spec.rules[0].matches[0].method",
    ),
    "an IP among the names of TLS": (
        ("TLSRoute", {"hostnames": ["10.0.0.1"], "rules": [{"backendRefs": [BACKEND]}]}),
        "spec.hostnames[0]",
    ),
    "two listeners for the same": (
        gateway(LISTENER, LISTENER | {"name": "again"}),
        "spec.listeners[1]",
    ),
    "two listeners of one name": (
        gateway(LISTENER, LISTENER | {"port": 81}),
        "spec.listeners[1]",
    ),
    "TLS on a plain listener": (
        gateway(LISTENER | {"tls": {"certificateRefs": [{"name": "cert"}]}}),
        "spec.listeners[0].tls",
    ),
    "an HTTPS listener without a certificate": (
        gateway({"name": "https", "port": 443, "protocol": "HTTPS", "tls": {}}),
        "spec.listeners[0].tls",
    ),
    "an address that is no address": (
        gateway(LISTENER, addresses=[{"value": "shop.example"}]),
        "spec.addresses[0].value",
    ),
    "a label's value that is too long": (
        gateway(LISTENER, infrastructure={"labels": {"a": "b" * 64}}),
        "spec.infrastructure.labels.a",
    ),
    "a target with a section and the same without": (
        policy(TARGET, TARGET | {"sectionName": "https"}),
        "spec.targetRefs[1]",
    ),
    "certificates of the system and of one's own": (
        policy(TARGET, caCertificateRefs=[{"group": "", "kind": "ConfigMap", "name": "ca"}]),
        "spec.validation",
    ),
    "a name of another type": (
        policy(TARGET, subjectAltNames=[{"type": "URI", "hostname": "a.example"}]),
        "spec.validation.subjectAltNames[0]",
    ),
}


@pytest.mark.parametrize(("written", "field"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused_at_the_place_of_the_fault(
    written: tuple[str, dict[str, Any]], field: str
) -> None:
    objects, found = read(*written)
    assert objects == 0
    assert field in [each.field for each in found]
    assert all(each.position is not None and each.position.line > 1 for each in found)


TAKEN = {
    "a parent twice, by section": (
        "HTTPRoute",
        {"parentRefs": [{"name": "g", "sectionName": each} for each in ("a", "b")]},
    ),
    "an HTTPS listener whose TLS comes later": gateway(
        {"name": "https", "port": 443, "protocol": "HTTPS"}
    ),
    "listeners told apart by host": gateway(
        LISTENER, LISTENER | {"name": "other", "hostname": "*.example"}
    ),
    "a regular expression of any form as path": http(
        matches=[{"path": {"type": "RegularExpression", "value": "a//b"}}]
    ),
    "a grant for all Services": (
        "ReferenceGrant",
        {
            "from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "a"}],
            "to": [{"group": "", "kind": "Service"}],
        },
    ),
}


@pytest.mark.parametrize("written", TAKEN.values(), ids=TAKEN)
def test_it_is_taken(written: tuple[str, dict[str, Any]]) -> None:
    assert read(*written) == (1, [])


def test_every_broken_rule_is_told_at_once() -> None:
    _, found = read(*gateway(LISTENER, LISTENER, addresses=[{"value": "1.2.3.4"}] * 2))
    assert {each.field for each in found} == {"spec.listeners[1]", "spec.addresses[1]"}


def test_an_older_version_asks_for_less() -> None:
    spec = {"rules": [{"backendRefs": [BACKEND]}]}
    assert read("TLSRoute", spec, "v1alpha2") == (1, [])
    assert read("TLSRoute", spec, "v1")[1][0].code == "missing-field"


def test_the_two_kinds_of_gateway_are_kept_apart() -> None:
    def manifest(version: str, spec: dict[str, Any]) -> str:
        metadata = {"name": "shop"}
        return json.dumps(
            {"apiVersion": version, "kind": "Gateway", "metadata": metadata, "spec": spec}
        )

    istio = manifest("networking.istio.io/v1", {"selector": {"istio": "ingressgateway"}})
    kubernetes = manifest("gateway.networking.k8s.io/v1", gateway(LISTENER)[1])
    loaded = load_texts([("istio.yaml", istio), ("kubernetes.yaml", kubernetes)])
    assert [each.api_version for each in loaded.of("Gateway")] == ["networking.istio.io/v1"]
    assert [each.api_version for each in loaded.of("KubernetesGateway")] == [
        "gateway.networking.k8s.io/v1"
    ]
