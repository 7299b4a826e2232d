"""Gateway API turned into Istio's own objects, and what is said of each, by Istio's goldens.

Messages are ours, so conditions are compared by type, status and reason. Where the API
server would have filled in a match of all paths, the goldens have none: both are the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from simulator.config.load import load_texts
from simulator.config.model import Spec
from simulator.config.objects import Manifests, Object
from simulator.istiod.gateway_api import Reference, Status, translate
from simulator.istiod.gateway_api.translate import PARENTS
from simulator.istiod.names import DOMAIN
from simulator.istiod.registry import Mesh
from tests.conformance.table import Case, Table

_DOCUMENTS = {"Gateway", "VirtualService", "DestinationRule"}
_EMPTY: tuple[Any, ...] = (None, "", 0, False, [], {}, (), "TLS_AUTO", "UNSPECIFIED", "PASSTHROUGH")
_KEPT = {"internal.istio.io/gateway-service", "internal.istio.io/parents"}
_CERTIFICATE = {"tls.crt": "CERTIFICATE", "tls.key": "RSA PRIVATE KEY"}
_SECRETS = {
    "istio-system": ("my-cert", "my-cert-http", "my-cert-http2"),
    "cert": ("cert",),
}


def cases(table: Table) -> Iterator[Case]:
    """Yield one case for each input: its objects and its statuses."""
    for path in sorted(table.folder.glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        data = [each for each in yaml.safe_load_all(text) if each]
        check = partial(_check, path, table.data)
        yield Case(id=path.stem, data=data, check=check)


def _check(path: Path, index: Mapping[str, Any]) -> str | None:
    domain = index["domain_suffix"]
    text = path.read_text(encoding="utf-8").replace(domain, DOMAIN)
    manifests = load_texts([(path.name, text), ("services.yaml", _assumed(text, index))])
    errors = [str(each) for each in manifests.diagnostics if each.level == "error"]
    # In these cases nothing is deployed.
    others = [each for each in manifests.objects if "gateway.networking" not in each.api_version]
    services = Mesh.of(replace(manifests, objects=tuple(others))).services
    translated = translate(manifests, services)
    golden = path.with_suffix(".yaml.golden").read_text(encoding="utf-8")
    wanted = _objects(golden.replace(domain, DOMAIN))
    found = _made(translated.manifests, manifests)
    difference = _difference(wanted, found)
    if difference:
        return f"objects: {difference}; {errors}"
    golden = path.with_name(f"{path.stem}.status.yaml.golden").read_text(encoding="utf-8")
    told = dict(map(_status, translated.statuses))
    said = {key: value for key, value in told.items() if any(value.values())}
    difference = _difference(_statuses(golden), said)
    return f"statuses: {difference}; {errors}" if difference else None


def _difference(wanted: Mapping[Any, Any], found: Mapping[Any, Any]) -> str:
    lines = [f"missing {key}" for key in wanted if key not in found]
    lines += [f"unexpected {key}" for key in found if key not in wanted]
    lines += [
        f"{key}: expected {wanted[key]}, found {found[key]}"
        for key in wanted
        if key in found and wanted[key] != found[key]
    ]
    return "; ".join(lines)


def _assumed(text: str, index: Mapping[str, Any]) -> str:
    """Return the manifests of all that stands in the cluster of the cases."""
    written = {
        each["metadata"].get("namespace", "default") for each in yaml.safe_load_all(text) if each
    }
    documents = []
    for each in index["services"]:
        namespace = each["attributes"]["namespace"]
        written.add(namespace)
        documents.append(_service(each, namespace, index["domain_suffix"]))
    for namespace in sorted(written):
        labels = {"istio.io/test-name-part": namespace.partition("-")[0]}
        metadata = {"name": namespace, "labels": labels}
        documents.append({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    block = "-----BEGIN {0}-----\nMAA=\n-----END {0}-----\n"
    pair = {name: block.format(kind) for name, kind in _CERTIFICATE.items()}
    for namespace, names in _SECRETS.items():
        documents += [_secret(name, namespace, pair) for name in names]
    documents.append(_secret("malformed", "istio-system", dict.fromkeys(pair, "Hello")))
    root = {"ca.crt": block.format("CERTIFICATE")}
    documents.append(_config_map("auth-cert", root))
    documents.append(_config_map("malformed", {"not-ca.crt": "hello"}))
    return yaml.safe_dump_all(documents)


def _secret(name: str, namespace: str, data: Mapping[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": dict(data)}


def _config_map(name: str, data: Mapping[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def _service(one: Mapping[str, Any], namespace: str, domain: str) -> dict[str, Any]:
    name, found, _ = one["hostname"].partition(f".{namespace}.svc.{domain}")
    if not found:
        return _service_entry(one, namespace)
    ports = [{"name": each["name"], "port": each["port"]} for each in one["ports"]]
    spec: dict[str, Any] = {"ports": ports}
    external = one["attributes"].get("clusterExternalAddresses")
    if external is not None:
        (spec["clusterIP"],) = next(iter(external["addresses"].values()))
    if "$" in name:
        name = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _service_entry(one: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    ports = [
        {"name": each["name"], "number": each["port"], "protocol": each["protocol"]}
        for each in one["ports"]
    ]
    spec = {"hosts": [one["hostname"]], "ports": ports, "resolution": "DNS"}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {"name": one["hostname"].replace(".", "-"), "namespace": namespace},
        "spec": spec,
    }


def _objects(golden: str) -> dict[tuple[str, str, str], Any]:
    found = {}
    for each in yaml.safe_load_all(golden):
        if each:
            metadata = each["metadata"]
            key = (each["kind"], metadata["namespace"], metadata["name"])
            found[key] = _normal(each["spec"], metadata.get("annotations", {}))
    return found


def _made(manifests: Manifests, written: Manifests) -> dict[tuple[str, str, str], Any]:
    given = {id(each) for each in written.objects}
    return {
        (each.kind, each.namespace, each.name): _normal(_plain(each.spec), each.annotations)
        for each in manifests.objects
        if each.kind in _DOCUMENTS and id(each) not in given and PARENTS in each.annotations
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Spec):
        found = {}
        for name, field in type(value).model_fields.items():
            inner = getattr(value, name)
            alias = str(field.alias or field.validation_alias or name)
            if name.endswith("_ns") and inner is not None:
                inner = f"{inner / 1e9:.9f}".rstrip("0").rstrip(".") + "s"
            found[alias] = _plain(inner)
        return found
    if isinstance(value, (tuple, list)):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return value


def _normal(spec: Any, annotations: Mapping[str, str]) -> Any:
    kept = {name: annotations[name] for name in sorted(_KEPT) if name in annotations}
    parents = kept.get(PARENTS, "").split(",")
    return {**_pruned(spec), "annotations": {**kept, PARENTS: sorted(parents)}}


def _pruned(value: Any) -> Any:
    """Return a value without what says nothing, in one spelling."""
    if isinstance(value, Mapping):
        found = {name: _pruned(each) for name, each in value.items()}
        if isinstance(found.get("uri"), str) and found["uri"].startswith("%PREFIX()%"):
            found["prefixRewrite"] = found.pop("uri").removeprefix("%PREFIX()%")
        for name in ("timeout", "perTryTimeout", "backoff", "maxAge", "budgetInterval"):
            if isinstance(found.get(name), str):
                found[name] = _seconds(found[name])
        if found.get("match") == [{"uri": {"prefix": "/"}}]:
            del found["match"]
        for each in found.get("match", ()):
            if isinstance(each, dict) and each.get("uri") == {"prefix": "/"} and "port" in each:
                del each["uri"]
        return {
            name: each
            for name, each in found.items()
            if each not in _EMPTY or (name == "exact" and each == "")
        }
    return [_pruned(each) for each in value] if isinstance(value, list) else value


def _seconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(ms|s|m|h)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit]


def _statuses(golden: str) -> dict[tuple[str, str, str], Any]:
    found = {}
    for each in yaml.safe_load_all(golden):
        if each:
            metadata = each["metadata"]
            key = (each["kind"], metadata.get("namespace", ""), metadata["name"])
            value = _golden_status(each.get("status") or {})
            if any(value.values()):
                found[key] = value
    return found


def _golden_status(status: Mapping[str, Any]) -> dict[str, Any]:
    parents = [
        (
            _golden_reference(each.get("parentRef") or each["ancestorRef"]),
            each["controllerName"],
            _golden_conditions(each),
        )
        for each in [*status.get("parents", ()), *status.get("ancestors", ())]
        # What other controllers say is not istiod's.
        if each["controllerName"].startswith("istio.io/")
    ]
    return {
        "addresses": [each["value"] for each in status.get("addresses", ())],
        "conditions": _golden_conditions(status),
        "listeners": [
            (
                each["name"],
                each["attachedRoutes"],
                [kind["kind"] for kind in each.get("supportedKinds") or ()],
                _golden_conditions(each),
            )
            for each in status.get("listeners", ())
        ],
        "parents": Counter(map(repr, parents)),
        "sets": status.get("attachedListenerSets", 0),
    }


def _golden_conditions(status: Mapping[str, Any]) -> list[tuple[str, bool, str]]:
    return sorted(
        (each["type"], each["status"] == "True", each["reason"])
        for each in status.get("conditions", ())
    )


def _golden_reference(reference: Mapping[str, Any]) -> tuple[Any, ...]:
    group = reference.get("group", "gateway.networking.k8s.io")
    kind = reference.get("kind", "Gateway")
    rest = [reference.get(name) or "" for name in ("name", "namespace", "sectionName", "port")]
    return group, kind, *rest


def _status(status: Status) -> tuple[tuple[str, str, str], Any]:
    source: Object = status.source
    parents = [
        (_reference(each.reference), each.controller, _conditions(each)) for each in status.parents
    ]
    value = {
        "addresses": list(status.addresses),
        "conditions": _conditions(status),
        "listeners": [
            (each.name, each.attached, list(each.kinds), _conditions(each))
            for each in status.listeners
        ],
        "parents": Counter(map(repr, parents)),
        "sets": status.attached_sets,
    }
    return (source.kind, source.namespace, source.name), value


def _conditions(status: Any) -> list[tuple[str, bool, str]]:
    return sorted((each.type, each.status, each.reason) for each in status.conditions)


def _reference(reference: Reference) -> tuple[Any, ...]:
    return (
        reference.group,
        reference.kind,
        reference.name,
        reference.namespace,
        reference.section,
        reference.port or "",
    )
