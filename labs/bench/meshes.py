"""The meshes that the benchmarks run: a chain with all that a mesh does, and many services.

Written as manifests, so that the whole way is measured: what istiod makes of them, what Envoy
makes of that, and what happens to each request.
"""

from __future__ import annotations

import json
from typing import Any

from simulator.config.load import load_texts
from simulator.config.scenario import ScenarioFile
from simulator.scenario import Scenario

_PORT = 9080
_ROUTES = 20
_NAMESPACE = 10
"""Services in one namespace."""
_INJECTED = {"sidecar.istio.io/inject": "true"}
_WORK = {"p50": "2905us", "p99": "18678us"}
"""Log-normal: mean 4 ms, sigma 0.8."""


def chain(requests: int) -> Scenario:
    """Return the chain of `labs.bench.chain` with sidecars, routes, policies and limits."""
    calls = {"client": "a", "a": "b", "b": "c"}
    per_try = {"a": "100ms", "b": "60ms", "c": "30ms"}
    manifests = [_deployment("client", 1)]
    for name in calls.values():
        manifests += [
            _deployment(name, 4),
            _service(name),
            _rule(name, per_try[name]),
            _policy(name),
            _permission(name),
        ]
    workloads = {
        name: {"latency": _WORK, "concurrency": 2, "holds": "work", **_calls(calls.get(name))}
        for name in calls.values()
    }
    return _scenario(
        manifests,
        workloads=workloads,
        network={"latency": {"exponential": "250us"}},
        clients=[_client(calls["client"], 1000)],
        duration=f"{requests}ms",
    )


def flat(count: int, prefix: str = "/") -> Scenario:
    """Return so many services of one pod each, which all see each other; one routes a prefix."""
    names = [f"s{at}" for at in range(count)]
    route = [{"destination": {"host": names[0]}}]
    spec = {"hosts": [names[0]], "http": [{"match": [{"uri": {"prefix": prefix}}], "route": route}]}
    rule = _object("networking.istio.io/v1", "VirtualService", names[0], spec)
    pods = [text for name in names for text in (_deployment(name, 1), _service(name))]
    return _scenario([*pods, rule])


def services(count: int, replicas: int, requests: int, last: str = "1ms") -> Scenario:
    """Return so many services, in chains of three and namespaces of ten, all under load.

    A proxy sees its own namespace, as in any mesh of that size. `last` is the latency of the
    service at the end of a chain.
    """
    manifests = [_own_namespace_only()]
    workloads = {}
    heads = [at for at in range(count) if at % _NAMESPACE % 3 == 0]
    for at in range(count):
        space, place = f"n{at // _NAMESPACE}", at % _NAMESPACE
        name = f"s{place}"
        ends = place % 3 == 2 or place + 1 == _NAMESPACE
        if place == 0:
            manifests.append(_deployment("client", 1, space))
        manifests += [_deployment(name, replicas, space), _service(name, space)]
        workloads[f"{name}.{space}"] = (
            {"latency": last} if ends else {"latency": "1ms", **_calls(f"s{place + 1}")}
        )
    clients = [
        _client(f"s{at % _NAMESPACE}", 1000 / len(heads), f"n{at // _NAMESPACE}") for at in heads
    ]
    return _scenario(manifests, workloads=workloads, clients=clients, duration=f"{requests}ms")


def _scenario(manifests: list[str], **file: object) -> Scenario:
    loaded = load_texts([(f"{at}.yaml", text) for at, text in enumerate(manifests)])
    return Scenario.of(loaded, ScenarioFile.model_validate(file))


def _client(service: str, rate: float, namespace: str = "default") -> dict[str, Any]:
    return {
        "name": f"client of {service}.{namespace}",
        "from": f"client.{namespace}",
        "url": f"http://{service}:{_PORT}/",
        "rate": rate,
    }


def _calls(service: str | None) -> dict[str, Any]:
    return {"calls": [{"url": f"http://{service}:{_PORT}/"}]} if service else {}


def _own_namespace_only() -> str:
    spec = {"egress": [{"hosts": ["./*"]}]}
    return _object("networking.istio.io/v1", "Sidecar", "default", spec, "istio-system")


def _deployment(name: str, replicas: int, namespace: str = "default") -> str:
    labels = {"app": name, "version": "v1"} | _INJECTED
    container = {"name": name, "image": name, "ports": [{"containerPort": _PORT}]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return _object("apps/v1", "Deployment", name, spec, namespace)


def _service(name: str, namespace: str = "default") -> str:
    spec = {"selector": {"app": name}, "ports": [{"name": "http", "port": _PORT}]}
    return _object("v1", "Service", name, spec, namespace)


def _rule(name: str, per_try: str) -> str:
    route = [{"destination": {"host": name, "subset": "v1"}}]
    special = [
        {
            "match": [{"uri": {"prefix": f"/p{at}/"}, "headers": {"tier": {"exact": f"t{at}"}}}],
            "route": route,
        }
        for at in range(1, _ROUTES)
    ]
    retries = {"attempts": 2, "perTryTimeout": per_try, "retryOn": "5xx,reset"}
    usual = {"route": route, "timeout": "1s", "retries": retries}
    spec = {"hosts": [name], "http": [*special, usual]}
    return _object("networking.istio.io/v1", "VirtualService", name, spec)


def _policy(name: str) -> str:
    spec: dict[str, Any] = {
        "host": name,
        "subsets": [{"name": "v1", "labels": {"version": "v1"}}],
        "trafficPolicy": {
            "loadBalancer": {"simple": "LEAST_REQUEST"},
            "connectionPool": {
                "tcp": {"maxConnections": 1000},
                "http": {"http1MaxPendingRequests": 1000, "maxRetries": 1000},
            },
            "outlierDetection": {"consecutive5xxErrors": 5, "interval": "10s"},
        },
    }
    return _object("networking.istio.io/v1", "DestinationRule", name, spec)


def _permission(name: str) -> str:
    rules = [{"to": [{"operation": {"methods": ["GET"], "paths": ["/", "/p*"]}}]}]
    spec = {"selector": {"matchLabels": {"app": name}}, "action": "ALLOW", "rules": rules}
    return _object("security.istio.io/v1", "AuthorizationPolicy", name, spec)


def _object(
    api_version: str, kind: str, name: str, spec: dict[str, Any], namespace: str = "default"
) -> str:
    metadata = {"name": name, "namespace": namespace}
    return json.dumps({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec})
