"""Istio's own expectations of single conditions of AuthorizationPolicies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from simulator.envoy_api import format as as_json
from simulator.envoy_api import message, parse
from simulator.istiod.authz.conditions import (
    ATTRIBUTES,
    Attribute,
    Context,
    UnusableError,
    attribute_of,
    request_principal,
    service_account_regex,
)
from tests.conformance.table import Case, Table

_RBAC = "envoy.config.rbac.v3"
_GENERATORS = {
    "destIP": "destination.ip",
    "destPort": "destination.port",
    "connSNI": "connection.sni",
    "srcIP": "source.ip",
    "remoteIP": "remote.ip",
    "srcNamespace": "source.namespace",
    "srcServiceAccount": "source.serviceAccount",
    "srcTrustDomain": "source.trustDomain",
    "srcPrincipal": "source.principal",
    "host": "host",
    "path": "path",
    "method": "method",
}
"""What upstream's generators write, by the beginning of their names."""


def cases(table: Table) -> Iterator[Case]:
    """Yield one case a row."""
    checks = {
        "TestRequestPrincipal": _request_principal,
        "TestServiceAccount": _service_account,
        "TestGenerator": _generator,
    }
    for one in table.data["cases"]:
        check = partial(checks[one["test"]], one)
        yield Case(id=f"{one['test']} {one['i']}", data=one, check=check)


def _request_principal(one: dict[str, Any]) -> str | None:
    got = as_json(message(f"{_RBAC}.Principal")(**request_principal(one["in"])))
    want = as_json(parse(one["want"], f"{_RBAC}.Principal"))
    return None if got == want else f"expected {want}, got {got}"


def _service_account(one: dict[str, Any]) -> str | None:
    pattern = service_account_regex("", one["Input"])
    got = re.fullmatch(pattern, one["Identity"]) is not None
    return None if got == one["Match"] else f"{pattern} gave {got}"


def _generator(one: dict[str, Any]) -> str | None:
    key = one.get("key", "")
    attribute, key = _attribute(one["name"].partition("Generator")[0], key)
    kind = f"{_RBAC}.{'Permission' if attribute.permission else 'Principal'}"
    try:
        written = attribute.write(Context(key=key, namespace=""), [one["value"]])
    except UnusableError:
        return None if "invalid" in one["name"] or one.get("want") is None else "was not written"
    got = [as_json(message(kind)(**each)) for each in written]
    want = one.get("want") or {}
    if want and got != [as_json(parse(want, kind))]:
        return f"expected {want}, got {got}"
    return None if got and "invalid" not in one["name"] else f"was written as {got}"


def _attribute(generator: str, key: str) -> tuple[Attribute, str]:
    found = attribute_of(f"experimental.envoy.filters.{key.removeprefix('experimental.')}")
    if generator in _GENERATORS:
        return ATTRIBUTES[_GENERATORS[generator]], key
    if generator != "envoyFilter":
        found = attribute_of(key)
    assert found is not None
    return found, key
