"""Objects of Gateway API, written as a learner would, and what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from simulator.config.load import load_texts
from simulator.config.scenario import Request
from simulator.istiod.gateway_api import Condition, Status
from simulator.istiod.registry import Mesh
from simulator.observe.observation import Observation
from simulator.scenario import Scenario
from tests.support.mesh import deployment, service

GROUP = "gateway.networking.k8s.io"
PEM = "-----BEGIN {0}-----\nMAA=\n-----END {0}-----\n"


def made(
    kind: str,
    name: str,
    spec: Mapping[str, Any],
    *,
    version: str = f"{GROUP}/v1",
    namespace: str = "default",
    created: str = "",
    key: str = "spec",
) -> str:
    metadata: dict[str, Any] = {"name": name, "namespace": namespace}
    if created:
        metadata["creationTimestamp"] = created
    return json.dumps({"apiVersion": version, "kind": kind, "metadata": metadata, key: spec})


def listener(name: str = "http", **more: Any) -> dict[str, Any]:
    return {"name": name, "port": 80, "protocol": "HTTP", **more}


def gateway(*listeners: Mapping[str, Any], name: str = "shop", **more: Any) -> str:
    spec = {"gatewayClassName": "istio", "listeners": list(listeners or [listener()]), **more}
    return made("Gateway", name, spec)


def backend(name: str = "reviews", **more: Any) -> dict[str, Any]:
    return {"name": name, "port": 9080, **more}


def rule(
    *backends: Mapping[str, Any], path: str = "", exact: str = "", **more: Any
) -> dict[str, Any]:
    found: dict[str, Any] = {"backendRefs": list(backends or [backend()]), **more}
    if exact:
        found["matches"] = [{"path": {"type": "Exact", "value": exact}}]
    elif path:
        found["matches"] = [{"path": {"type": "PathPrefix", "value": path}}]
    return found


def route(
    name: str = "reviews",
    *rules: Mapping[str, Any],
    parents: Sequence[Mapping[str, Any]] = ({"name": "shop"},),
    hostnames: Sequence[str] = (),
    kind: str = "HTTPRoute",
    **metadata: str,
) -> str:
    spec: dict[str, Any] = {"parentRefs": list(parents), "rules": list(rules or [rule()])}
    if hostnames:
        spec["hostnames"] = list(hostnames)
    return made(kind, name, spec, **metadata)


def grant(of: str, to: str, *, namespace: str, kind: str = "HTTPRoute") -> str:
    spec = {
        "from": [{"group": GROUP, "kind": kind, "namespace": of}],
        "to": [{"group": "", "kind": to}],
    }
    return made("ReferenceGrant", "granted", spec, version=f"{GROUP}/v1beta1", namespace=namespace)


def secret(name: str, namespace: str = "default") -> str:
    pair = {"tls.crt": PEM.format("CERTIFICATE"), "tls.key": PEM.format("RSA PRIVATE KEY")}
    return made("Secret", name, pair, version="v1", namespace=namespace, key="stringData")


APPS = (
    *(service(each) for each in ("reviews", "ratings")),
    *(deployment(each, each) for each in ("reviews", "ratings", "client")),
)


def mesh(*texts: str) -> Mesh:
    return Mesh.of(load_texts([(f"{at}.yaml", text) for at, text in enumerate((*APPS, *texts))]))


def said(found: Mesh, kind: str, name: str) -> Status:
    return next(
        each for each in found.statuses if (each.source.kind, each.source.name) == (kind, name)
    )


def brief(conditions: Sequence[Condition]) -> dict[str, str]:
    return {each.type: each.reason for each in conditions}


def ask(
    whole: Scenario, path: str = "/", *, host: str = "a.example.com", **more: Any
) -> Observation:
    wanted = Request.model_validate(
        {"url": f"http://{host}{path}", "via": "shop-istio.default", **more}
    )
    (seen,) = whole.probe([wanted])
    return seen


def reached(seen: Observation) -> tuple[int | None, str]:
    workload = (seen.hops[0].upstream.workload or "") if seen.hops and seen.hops[0].upstream else ""
    return seen.status, workload.partition(".")[0]
