"""What the webhook refuses, and what it warns of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from simulator.config.load import load_texts
from simulator.config.objects import Object
from simulator.istiod.analyze import analyze
from simulator.istiod.registry import Mesh
from simulator.istiod.validation.admission import CHECKS, validate

VERSIONS = {
    "networking.istio.io": "v1",
    "security.istio.io": "v1",
    "telemetry.istio.io": "v1",
    "extensions.istio.io": "v1alpha1",
}
GROUPS = {kind: group for group, kind in CHECKS}
TO_SHOP = {"destination": {"host": "shop"}}
RULE: dict[str, Any] = {"route": [TO_SHOP]}
HTTP_PORT = {"number": 80, "name": "http", "protocol": "HTTP"}
HTTPS_PORT = {"number": 443, "name": "https", "protocol": "HTTPS"}
JWT = {"issuer": "https://issuer.example", "jwksUri": "https://issuer.example/keys"}


def written(kind: str, spec: dict[str, Any], **metadata: Any) -> Object:
    group = GROUPS[kind]
    version = {"EnvoyFilter": "v1alpha3", "ProxyConfig": "v1beta1"}.get(kind, VERSIONS[group])
    document = {
        "apiVersion": f"{group}/{version}",
        "kind": kind,
        "metadata": {"name": "one", **metadata},
        "spec": spec,
    }
    manifests = load_texts([("one.yaml", json.dumps(document))])
    assert manifests.diagnostics == (), "what the schema says is another test's"
    (found,) = manifests.objects
    return found


def virtual_service(rule: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"hosts": ["shop"], "http": [rule], **more}


def subset(policy: dict[str, Any]) -> dict[str, Any]:
    return {"host": "shop", "subsets": [{"name": "v1", "trafficPolicy": policy}]}


def server(**changed: Any) -> dict[str, Any]:
    return {"servers": [{"port": HTTP_PORT, "hosts": ["shop.example"], **changed}]}


def entry(**changed: Any) -> dict[str, Any]:
    return {"hosts": ["api.example"], "ports": [HTTP_PORT], "resolution": "DNS", **changed}


def rows(name: str) -> list[Any]:
    table = yaml.safe_load((Path(__file__).parent / name).read_text(encoding="utf-8"))
    return [pytest.param(row["kind"], row["spec"], row["field"], id=row["id"]) for row in table]


def said(source: Object, code: str) -> list[str]:
    return [each.field for each in validate(source) if each.code == code]


@pytest.mark.parametrize(("kind", "spec", "field"), rows("refused.yaml"))
def test_it_refuses(kind: str, spec: dict[str, Any], field: str) -> None:
    assert said(written(kind, spec), "IST0106") == [field]


@pytest.mark.parametrize(("kind", "spec", "field"), rows("warned_of.yaml"))
def test_it_warns_of(kind: str, spec: dict[str, Any], field: str) -> None:
    source = written(kind, spec)

    assert (said(source, "IST0133"), said(source, "IST0106")) == ([field], [])


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("VirtualService", virtual_service(RULE)),
        (
            "VirtualService",
            {"hosts": ["shop.example"], "gateways": ["a/b", "mesh"], "http": [RULE]},
        ),
        ("DestinationRule", {"host": "*.example"}),
        ("DestinationRule", subset({"connectionPool": {"tcp": {"idleTimeout": "0s"}}})),
        ("Gateway", server(hosts=["*"])),
        ("Gateway", server(tls={"httpsRedirect": True})),
        ("Gateway", server(port=HTTPS_PORT, tls={"mode": "PASSTHROUGH"})),
        ("ServiceEntry", entry()),
        ("ServiceEntry", entry(hosts=["*.example"], resolution="DYNAMIC_DNS")),
        ("Sidecar", {"egress": [{"hosts": ["./*", "istio-system/*"]}]}),
        ("Sidecar", {"egress": [{"hosts": ["*/*", "~secret/*"]}]}),
        ("AuthorizationPolicy", {}),
        ("AuthorizationPolicy", {"action": "DENY", "rules": [{}]}),
        ("AuthorizationPolicy", {"rules": [{"to": [{"operation": {"paths": ["/a/{*}/{**}"]}}]}]}),
        ("PeerAuthentication", {"mtls": {"mode": "STRICT"}}),
        ("RequestAuthentication", {"jwtRules": [JWT]}),
        ("Telemetry", {"tracing": [{"randomSamplingPercentage": 10}]}),
        ("ProxyConfig", {"concurrency": 2}),
        ("WorkloadEntry", {"address": "1.2.3.4"}),
        ("WorkloadGroup", {"template": {}}),
        ("WasmPlugin", {"url": "oci://registry.example/filter:1"}),
        ("TrafficExtension", {"lua": {"inlineCode": "function envoy_on_request(h) end"}}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_it_has_nothing_against(kind: str, spec: dict[str, Any]) -> None:
    assert validate(written(kind, spec)) == ()


def test_a_finding_leads_to_its_line() -> None:
    text = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: [shop]
  http:
  - retries: {attempts: 1}
    timeout: 5s
    route:
    - destination:
        host: "shop?"
"""
    found = [each for each in analyze(load_texts([("shop.yaml", text)])) if each.code == "IST0106"]

    assert [(each.field, str(each.position)) for each in found] == [
        ("spec.http[0].route[0].destination.host", "shop.yaml:12:15")
    ]


def test_only_policies_are_tried_dry() -> None:
    dry = {"annotations": {"istio.io/dry-run": "true"}}
    place = "metadata.annotations.istio.io/dry-run"

    assert said(written("VirtualService", virtual_service(RULE), **dry), "IST0106") == [place]
    assert said(written("AuthorizationPolicy", {}, **dry), "IST0106") == []
    assert said(written("AuthorizationPolicy", {"action": "AUDIT"}, **dry), "IST0106") == [place]


def test_a_refused_object_never_comes_to_be() -> None:
    good = {"hosts": ["a.example"], "http": [RULE]}
    documents = [
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": name},
            "spec": spec,
        }
        for name, spec in (("good", good), ("bad", {"hosts": ["b.example"]}))
    ]
    manifests = load_texts([("all.yaml", "\n---\n".join(map(json.dumps, documents)))])
    mesh = Mesh.of(manifests)

    assert [each.name for each in mesh.manifests.objects] == ["good"]
    assert [each.resource for each in mesh.diagnostics] == ["VirtualService bad.default"]
