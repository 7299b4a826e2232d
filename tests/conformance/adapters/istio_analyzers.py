"""Istio's analysers on files: which messages, about which resources."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from simulator.config.kinds import KINDS
from simulator.config.load import load_texts
from simulator.diagnostics import Diagnostic
from simulator.istiod.analyze import ANALYZERS, ON_REQUEST, run
from simulator.istiod.registry import Mesh
from tests.conformance.table import Case, Table


def cases(table: Table) -> Iterator[Case]:
    """Yield one case for each analyser and its files; the catalogue of codes holds none."""
    if isinstance(table.data, dict):
        for each in table.data["cases"]:
            check = partial(_check, each, table.folder)
            yield Case(id=each["name"], data=each, check=check)


def _check(case: dict[str, Any], folder: Path) -> str | None:
    name = case["analyzer"]["name"]
    checks = ANALYZERS.get(name) or ON_REQUEST.get(name)
    if checks is None:
        return f"{name} is not modelled"
    manifests = load_texts(
        [
            (each, _whole((folder / each).read_text(encoding="utf-8")))
            for each in case["input_files"]
        ]
        + list(_installed(case, folder))
    )
    mesh = Mesh.as_written(manifests)
    found = Counter(_message(each) for each in run(mesh, checks))
    wanted = Counter(
        (each["code"], each["resource"].replace(" default/", " ")) for each in case["expected"]
    )
    if found == wanted:
        return None
    errors = [str(each) for each in manifests.diagnostics if each.level == "error"][:3]
    return f"missing {wanted - found}, unexpected {found - wanted}; {errors}"


def _whole(text: str) -> str:
    """Return a file with what it leaves out because its analyser does not look at it."""
    try:
        documents = [each for each in yaml.load_all(text, yaml.CSafeLoader) if each]
    except yaml.YAMLError:
        return text
    if not any(each.get("kind") in {"Pod", "Deployment", "Service"} for each in documents):
        return text
    for each in documents:
        for port in each["spec"].get("ports") or () if each.get("kind") == "Service" else ():
            if port.get("protocol") not in {"TCP", "UDP", "SCTP"}:
                port.pop("protocol", None)  # the API server would refuse it
        spec = each.setdefault("spec", {}) if each.get("kind") == "Pod" else None
        if each.get("kind") == "Deployment":
            spec = each.setdefault("spec", {}).setdefault("template", {}).setdefault("spec", {})
        if spec is not None:
            containers = spec.setdefault("containers", [{}])
            for at, container in enumerate(containers):
                container.setdefault("name", f"container-{at}")
    return yaml.safe_dump_all(documents, sort_keys=False)


def _installed(case: dict[str, Any], folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the mesh's own configuration, as istiod keeps it."""
    data = {
        key: _text(folder / case[name])
        for key, name in (("mesh", "mesh_config_file"), ("meshNetworks", "mesh_networks_file"))
        if name in case and (folder / case[name]).exists()
    }
    if data:
        metadata = {"name": "istio", "namespace": "istio-system"}
        whole = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        yield "mesh.yaml", json.dumps(whole)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _message(diagnostic: Diagnostic) -> tuple[str, str]:
    kind, _, name = diagnostic.resource.partition(" ")
    if diagnostic.code == "IST0126":  # there, the networks are an object of their own
        return diagnostic.code, "MeshNetworks istio-system/meshnetworks"
    if not KINDS[kind].namespaced:
        return diagnostic.code, f"{kind} {name}"
    name, _, namespace = name.rpartition(".")
    # The cases leave out the namespace where the file does.
    place = f"{namespace}/" if namespace != "default" else ""
    return diagnostic.code, f"{kind} {place}{name}"
