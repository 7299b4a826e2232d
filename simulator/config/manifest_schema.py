"""The schema of manifests, for editors: every kind that is read, in one file.

Ranges, choices and names are in it; what holds between fields is said by the loader alone.
"""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from simulator.config.kinds import KINDS, Kind
from simulator.config.kubernetes import TemplateMetadata
from simulator.config.model import Spec

_DEFINITIONS = "#/$defs/{model}"


def manifest_schema() -> dict[str, Any]:
    """Return the schema of one object, or of a List of them."""
    models: dict[type[Spec], None] = {TemplateMetadata: None}
    for kind in KINDS.values():
        for model in (kind.spec, *kind.older.values()):
            models[model] = None
    wanted = [(each, "validation") for each in models]
    references, whole = models_json_schema(wanted, by_alias=True, ref_template=_DEFINITIONS)  # type: ignore[arg-type]
    found = {model: references[model, "validation"] for model in models}
    listed = {"properties": {"items": {"items": {"$ref": "#"}, "type": "array"}}}
    rules = [
        _rule(name.removeprefix("Kubernetes"), kind, version, found, whole["$defs"])
        for name, kind in KINDS.items()
        for version in sorted(kind.versions)
    ]
    return {
        "type": "object",
        "required": ["apiVersion", "kind"],
        "properties": {"apiVersion": {"type": "string"}, "kind": {"type": "string"}},
        "allOf": [*rules, {"if": _is("List", "v1"), "then": listed}],
        "$defs": whole["$defs"],
    }


def _is(kind: str, version: str) -> dict[str, Any]:
    return {"properties": {"kind": {"const": kind}, "apiVersion": {"const": version}}}


def _rule(
    name: str,
    kind: Kind,
    version: str,
    references: dict[type[Spec], dict[str, Any]],
    definitions: dict[str, Any],
) -> dict[str, Any]:
    """Return what holds for one version of a kind."""
    spec = references[kind.older.get(version, kind.spec)]
    outer: dict[str, Any] = {"metadata": references[TemplateMetadata]}
    if kind.nested:
        required = ["metadata", "spec"] if kind.required else ["metadata"]
        then: dict[str, Any] = {"properties": {**outer, "spec": spec}, "required": required}
    else:
        # Its fields stand beside the object's own.
        own = definitions[spec["$ref"].rpartition("/")[2]]
        required = ["metadata", *own.get("required", ())]
        then = {"properties": {**own["properties"], **outer}, "required": required}
    return {"if": _is(name, version), "then": then}
