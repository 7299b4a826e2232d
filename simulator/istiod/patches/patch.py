"""The patches that hold for a proxy: which, in which order, and what they put in.

Follows   istio pilot/pkg/model/push_context.go (EnvoyFilters), envoyfilter.go
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from simulator.config.istio import EnvoyConfigObjectPatch
from simulator.config.objects import Object
from simulator.diagnostics import Diagnostic, diagnose
from simulator.envoy_api import SchemaError, parse
from simulator.istiod.registry import Mesh, Pod
from simulator.istiod.services import selects
from simulator.istiod.virtual_service import age

_ROUTE = "envoy.config.route.v3"
_LISTENER = "envoy.config.listener.v3"
MESSAGES = {
    "CLUSTER": "envoy.config.cluster.v3.Cluster",
    "LISTENER": f"{_LISTENER}.Listener",
    "LISTENER_FILTER": f"{_LISTENER}.ListenerFilter",
    "FILTER_CHAIN": f"{_LISTENER}.FilterChain",
    "NETWORK_FILTER": f"{_LISTENER}.Filter",
    "HTTP_FILTER": "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter",
    "ROUTE_CONFIGURATION": f"{_ROUTE}.RouteConfiguration",
    "VIRTUAL_HOST": f"{_ROUTE}.VirtualHost",
    "HTTP_ROUTE": f"{_ROUTE}.Route",
}
"""What a patch's value is, by what it applies to."""


class Context(StrEnum):
    """Which traffic a part of the configuration is for."""

    INBOUND = "SIDECAR_INBOUND"
    OUTBOUND = "SIDECAR_OUTBOUND"
    GATEWAY = "GATEWAY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A patch, its value as a message, and where it was written."""

    spec: EnvoyConfigObjectPatch
    value: Any
    """None where there is nothing to put in."""
    source: Object
    at: str

    @property
    def operation(self) -> str:
        """Return what is done."""
        return self.spec.patch.operation if self.spec.patch is not None else "INVALID"

    def about(self, kind: str, context: Context) -> bool:
        """Say whether it is for a kind of thing in a context."""
        if self.spec.apply_to != kind:
            return False
        match = self.spec.match
        return match is None or match.context in {"ANY", context}


def patches(mesh: Mesh, pod: Pod) -> tuple[list[Placed], list[Diagnostic]]:
    """Return the patches for a proxy: by priority, the mesh's before the namespace's, by age."""
    root = mesh.config.root_namespace
    found = [each for each in mesh.manifests.of("EnvoyFilter") if _holds(each, pod, root)]
    found.sort(key=lambda each: (each.spec.priority, each.namespace != root, age(each)))
    read = [
        _read(source, spec, f"spec.configPatches[{index}]")
        for source in found
        for index, spec in enumerate(source.spec.config_patches)
    ]
    return (
        [each for each in read if isinstance(each, Placed)],
        [each for each in read if isinstance(each, Diagnostic)],
    )


def _holds(source: Object, pod: Pod, root: str) -> bool:
    if source.namespace not in {root, pod.namespace} or source.spec.target_refs:
        return False
    selector = source.spec.workload_selector
    return selector is None or not selector.labels or selects(selector.labels, pod.labels)


def _read(source: Object, spec: EnvoyConfigObjectPatch, at: str) -> Placed | Diagnostic | None:
    name = MESSAGES.get(spec.apply_to)
    if name is None:
        place = f"{at}.applyTo"
        what = f"patches of {spec.apply_to} change nothing"
        return diagnose(
            "not-simulated",
            position=source.at(place),
            resource=source.ref,
            field=place,
            what=what,
        )
    given = spec.patch.value if spec.patch is not None else None
    try:
        value = parse(_typed(given), name) if given is not None else None
    except SchemaError:
        return None  # said when the object was validated
    return Placed(spec=spec, value=value, source=source, at=at)


def _typed(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return JSON with each `TypedStruct` as the message that it stands for."""
    if isinstance(value, Mapping):
        if str(value.get("@type", "")).endswith(".TypedStruct"):
            kind = value.get("type_url") or value.get("typeUrl")
            return {"@type": kind, **_typed(value.get("value") or {})}
        return {name: _typed(inner) for name, inner in value.items()}
    return [_typed(each) for each in value] if isinstance(value, list) else value
