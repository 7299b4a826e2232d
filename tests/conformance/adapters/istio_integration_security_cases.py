"""Istio's own end-to-end expectations of who is let in, and of what becomes of tokens."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from simulator.config.load import load_texts
from simulator.config.scenario import Request
from simulator.observe.observation import Observation
from simulator.scenario import Scenario
from tests.conformance.table import Case, Table

_FETCHED = 'jwksUri: "http://jwt-server.istio-jwt.svc:8000/jwks"'
"""Keys that istiod fetches from a server beside the apps, which answers in time."""
_DENIED = 403
_GRPC_DENIED = "7"
_NAMESPACE = """
apiVersion: v1
kind: Namespace
metadata: {{name: {namespace}, labels: {{istio-injection: {injection}}}}}
"""
_APP = """
apiVersion: v1
kind: ServiceAccount
metadata: {{name: {name}, namespace: {namespace}}}
---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{selector: {{app: {name}}}, ports: {ports}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      serviceAccountName: {name}
      containers: [{{name: app, image: app, ports: {listening}}}]
"""


def cases(table: Table) -> Iterator[Case]:
    """Yield one case a call."""
    for at, one in enumerate(table.data["cases"]):
        yield Case(id=f"#{at} {one['test']}", data=one, check=partial(_check, table, one))


def _check(table: Table, one: dict[str, Any]) -> str | None:
    scenario = _scenario(table, one)
    if "call" in one:
        return _tokens(scenario, table, one)
    problems = [
        problem
        for port in one["ports"]
        if (problem := _let_in(scenario, table, one, port)) is not None
    ]
    return "; ".join(problems) or None


def _scenario(table: Table, one: dict[str, Any]) -> Scenario:
    apps = "\n---\n".join(_apps(table.data))
    addresses = _addresses(apps)
    texts = [("apps.yaml", apps)]
    for at, each in enumerate(one["config"]):
        text = table.data["configs"][each["config_id"]]
        for name, instance in table.data["instances"].items():
            text = text.replace(instance["ip"], addresses[name])
        keys = (table.folder / "jwks.json").read_text(encoding="utf-8")
        text = text.replace(_FETCHED, f"jwks: {json.dumps(json.dumps(json.loads(keys)))}")
        namespace = each["namespace"] or _to(one).partition("/")[0]
        texts.append((f"config{at}.yaml", _placed(text, namespace)))
    loaded = load_texts(texts)
    assert loaded.ok, [str(each) for each in loaded.diagnostics]
    return Scenario.of(loaded)


def _apps(data: dict[str, Any]) -> Iterator[str]:
    ports = json.dumps(
        [
            {"name": name, "port": each["service"], "targetPort": each["workload"]}
            for name, each in data["ports"].items()
        ]
    )
    listening = json.dumps([{"containerPort": each["workload"]} for each in data["ports"].values()])
    for namespace in dict.fromkeys(name.partition("/")[0] for name in data["instances"]):
        injection = "disabled" if namespace == "external" else "enabled"
        yield _NAMESPACE.format(namespace=namespace, injection=injection)
    for instance in data["instances"]:
        namespace, _, name = instance.partition("/")
        yield _APP.format(name=name, namespace=namespace, ports=ports, listening=listening)


def _addresses(apps: str) -> dict[str, str]:
    pods = Scenario.of(load_texts([("apps.yaml", apps)])).mesh.pods
    return {"/".join(pod.deployment.split(".")[::-1]): pod.ip for pod in pods}


def _placed(text: str, namespace: str) -> str:
    """Return manifests in the namespace that they are applied to."""
    return text.replace("\nmetadata:\n", f"\nmetadata:\n  namespace: {namespace}\n")


def _to(one: dict[str, Any]) -> str:
    return str(one["to"] if "to" in one else one["call"]["To"])


def _let_in(scenario: Scenario, table: Table, one: dict[str, Any], port: str) -> str | None:
    request = one.get("request") or {}
    seen = _send(
        scenario,
        table,
        one,
        port,
        method=request.get("method", "GET"),
        path=request.get("path") or "/",
        headers=request.get("headers") or {},
    )
    if port.startswith("grpc"):
        status = (seen.response_headers or {}).get("grpc-status")
        right = (status is None and seen.status == 200) if one["allow"] else status == _GRPC_DENIED
    elif port.startswith("tcp"):
        right = (seen.error is None) == one["allow"]
    else:
        right = seen.status == (200 if one["allow"] else _DENIED)
    if right:
        return None
    return f"{port}: wanted allow={one['allow']}, got {seen.status} {seen.details} {seen.error}"


def _tokens(scenario: Scenario, table: Table, one: dict[str, Any]) -> str | None:
    call = one["call"]["HTTP"]
    seen = _send(
        scenario,
        table,
        one,
        one["call"]["Port"]["Name"],
        method=call.get("Method") or "GET",
        path=call.get("Path") or "/",
        headers=call.get("Headers") or {},
    )
    return _expected(one["expect"], seen)


def _send(
    scenario: Scenario,
    table: Table,
    one: dict[str, Any],
    port: str,
    *,
    method: str,
    path: str,
    headers: Mapping[str, Any],
) -> Observation:
    namespace, _, name = _to(one).partition("/")
    sender = "{1}.{0}".format(*one["from"].split("/"))
    if port.startswith("grpc"):
        method, path = "POST", "/proto.EchoTestService/Echo"
        headers = {**headers, "content-type": "application/grpc", "te": "trailers"}
    number = table.data["ports"][port]["service"]
    slash = "" if path.startswith("/") else "/"
    request = Request.model_validate(
        {
            "from": sender,
            "url": f"http://{name}.{namespace}.svc.cluster.local:{number}{slash}{path}",
            "method": method,
            "headers": headers,
        }
    )
    (seen,) = scenario.probe([request])
    return seen


def _expected(expect: dict[str, Any], seen: Observation) -> str | None:
    if "and" in expect:
        problems = [_expected(each, seen) for each in expect["and"]]
        return next((each for each in problems if each is not None), None)
    arguments = expect.get("args") or []
    match expect["check"]:
        case "OK":
            right = seen.status == 200
        case "NotOK":
            right = seen.status != 200
        case "Status":
            right = seen.status == int(arguments[0])
        case "RequestHeader":
            right = _received(seen, arguments[0]) == arguments[1]
        case "RequestHeaders":
            right = all(_received(seen, name) == value for name, value in arguments[0].items())
        case "ReachedTargetClusters":
            right = True  # there is one cluster alone
        case other:
            return f"{other} is not known"
    return None if right else f"{expect}: got {seen.status} {seen.details} {seen.error}"


def _received(seen: Observation, name: str) -> str:
    headers = (seen.hops[-1].request_headers_upstream if seen.hops else None) or {}
    return headers.get(name.lower(), "")
