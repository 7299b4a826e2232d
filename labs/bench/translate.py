"""A whole mesh translated for one sidecar, and for the next one that is like it.

Services have three ports (HTTP, gRPC, TCP) and two endpoints; every second one has a
VirtualService and a DestinationRule with two subsets. The next sidecar in a namespace
shares all but what comes in, so that only that is written anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from simulator.config.load import load_texts
from simulator.istiod.generate import Translation, generate
from simulator.istiod.registry import Mesh

_NAMESPACES = 20
_SERVICE = """
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{app: {name}}}
  ports:
    - {{name: http, port: 80, targetPort: 8080}}
    - {{name: grpc, port: 7070}}
    - {{name: tcp, port: 9090}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: {name}
  namespace: {namespace}
  labels: {{kubernetes.io/service-name: {name}}}
addressType: IPv4
ports:
  - {{name: http, port: 8080}}
  - {{name: grpc, port: 7070}}
  - {{name: tcp, port: 9090}}
endpoints:
  - addresses: [10.1.{high}.{low}]
  - addresses: [10.2.{high}.{low}]
"""
_RULES = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  hosts: [{name}]
  http:
    - match: [{{uri: {{prefix: /api}}}}]
      route:
        - {{destination: {{host: {name}, subset: v1}}, weight: 90}}
        - {{destination: {{host: {name}, subset: v2}}, weight: 10}}
    - route: [{{destination: {{host: {name}}}}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  host: {name}
  trafficPolicy: {{connectionPool: {{tcp: {{maxConnections: 100}}}}}}
  subsets:
    - {{name: v1, labels: {{version: v1}}}}
    - {{name: v2, labels: {{version: v2}}}}
"""
_CLIENTS = """
apiVersion: v1
kind: Pod
metadata: {name: first, labels: {app: first}}
spec: {containers: [{name: main}]}
---
apiVersion: v1
kind: Pod
metadata: {name: next, labels: {app: next}}
spec: {containers: [{name: main}]}
"""


def whole(services: int) -> int:
    """Translate for a sidecar of which there is none alike; return the number of resources."""
    return _size(
        generate(replace(_mesh(services), shared={}), _mesh(services).pod("first.default"))
    )


def alike(services: int) -> int:
    """Translate for a sidecar after one that is like it; return the number of resources."""
    return _size(generate(_warm(services), _warm(services).pod("next.default")))


@lru_cache(maxsize=1)
def _mesh(services: int) -> Mesh:
    manifests = load_texts([("mesh.yaml", "---".join(_documents(services)))])
    assert manifests.ok, "the benchmark's own manifests have no errors"
    return Mesh.of(manifests)


@lru_cache(maxsize=1)
def _warm(services: int) -> Mesh:
    mesh = _mesh(services)
    generate(mesh, mesh.pod("first.default"))
    return mesh


def _documents(services: int) -> Iterator[str]:
    for number in range(services):
        high, low = divmod(number, 250)
        facts = {
            "name": f"svc-{number:04}",
            "namespace": f"ns-{number % _NAMESPACES}",
            "high": high,
            "low": low,
        }
        yield _SERVICE.format(**facts)
        if number % 2 == 0:
            yield _RULES.format(**facts)
    yield _CLIENTS


def _size(translation: Translation) -> int:
    return sum(len(found) for found in translation.resources.by_kind().values())
