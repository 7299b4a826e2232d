"""Istio's own expectations of the filters that AuthorizationPolicies become."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from simulator.config.istio import MeshConfig
from simulator.envoy_api import format as as_json
from simulator.envoy_api import message, parse
from simulator.istiod.authz.filters import custom_filters, filters
from simulator.istiod.registry import Mesh, Resolution, Service
from simulator.istiod.scope import scope
from tests.conformance.adapters.istio_proxy import mesh_and_pod
from tests.conformance.table import Case, Table

_KINDS = {
    "http": "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter",
    "tcp": "envoy.config.listener.v3.Filter",
}


def cases(table: Table) -> Iterator[Case]:
    """Yield one case a set of policies."""
    for one in table.data["cases"]:
        check = partial(_check, table.folder, table.data, one)
        yield Case(id=f"{one['protocol']} {one['name']}", data=one, check=check)


def _check(folder: Path, table: dict[str, Any], one: dict[str, Any]) -> str | None:
    config = (folder / one["input"]).read_text(encoding="utf-8")
    mesh, pod = mesh_and_pod(config, {**table["proxy"], "config_namespace": "foo"})
    pod = replace(pod, labels=table["proxy"]["labels"])
    view = scope(_mesh(mesh, table, one), pod)
    tcp = one["protocol"] == "tcp"
    kind = _KINDS[one["protocol"]]
    written = [*custom_filters(view, tcp=tcp), *filters(view, tcp=tcp)]
    got = [as_json(message(kind)(**each)) for each in written]
    want = [
        as_json(parse(document, kind))
        for name in one["want"]
        for document in yaml.safe_load_all((folder / name).read_text(encoding="utf-8"))
        if document
    ]
    return None if got == want else f"expected {want}, got {got}"


def _mesh(mesh: Mesh, table: dict[str, Any], one: dict[str, Any]) -> Mesh:
    known = table["known_service"]
    service = Service(
        hostname=known["hostname"],
        name=known["hostname"].partition(".")[0],
        namespace=known["namespace"],
        ip="10.96.0.1",
        ports=(),
        kubernetes=True,
        resolution=Resolution.ENDPOINTS,
    )
    written = one.get("mesh_config") or {}
    if one.get("trust_domain"):
        written = {
            **written,
            "trustDomain": one["trust_domain"],
            "trustDomainAliases": one.get("trust_domain_aliases") or [],
        }
    # The proxy of these cases knows no namespace whose policies hold for the whole mesh.
    written = {"rootNamespace": "", **_lower(written)}
    config = MeshConfig.model_validate(written)
    return replace(mesh, config=config, services={service.hostname: service})


def _lower(value: Any) -> Any:
    """Return fields by the API's own names, whatever case they were written down in."""
    if isinstance(value, Mapping):
        return {f"{name[:1].lower()}{name[1:]}": _lower(each) for name, each in value.items()}
    return [_lower(each) for each in value] if isinstance(value, list) else value
