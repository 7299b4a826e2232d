"""The schema for editors agrees with the loader."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from simulator.config.load import load_texts
from simulator.config.manifest_schema import manifest_schema
from tests.simulator.istiod.broken import corpus

VALIDATOR = Draft202012Validator(manifest_schema())
GOOD = [
    pytest.param(each, id=f"{at}-{each['kind']}")
    for at, each in enumerate(corpus())
    if not load_texts([("one.yaml", json.dumps(each))]).diagnostics
]
BAD = yaml.safe_load("""
- {apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: a}, spec: {host: a}}
- {apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: a}}
- apiVersion: networking.istio.io/v1
  kind: DestinationRule
  metadata: {name: a}
  spec: {host: a, trafficPolicy: {loadBalancer: {simple: FASTEST}}}
- {apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: http}]}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: [a]}
- {apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Pod, metadata: {name: a}}]}
""")


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(manifest_schema())


@pytest.mark.parametrize("document", GOOD)
def test_what_loads_is_valid(document: dict[str, Any]) -> None:
    assert [each.message for each in VALIDATOR.iter_errors(document)] == []


@pytest.mark.parametrize("document", BAD, ids=lambda each: str(each["kind"]))
def test_what_does_not_load_is_not_valid(document: dict[str, Any]) -> None:
    manifests = load_texts([("one.yaml", json.dumps(document))])

    assert manifests.diagnostics
    assert not VALIDATOR.is_valid(document)
