"""A bookshop of six workloads behind a gateway, as text: what the tests start."""

from __future__ import annotations

from simulator.config.load import load_texts
from simulator.config.scenario import Behaviour, Call, ScenarioFile
from simulator.scenario import Scenario

_SERVICE = """
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  selector: {{app: {name}}}
  ports: [{{name: http, port: 9080, targetPort: {port}}}]
---
"""

_DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}-{version}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}, version: {version}}}}}
  template:
    metadata: {{labels: {{app: {name}, version: {version}}}}}
    spec:
      containers:
      - name: app
        image: example/{name}
        ports: [{{containerPort: {port}}}]
---
"""

ROUTING = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: [shop.example.com]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: [shop.example.com]
  gateways: [shop]
  http:
  - name: pages
    route: [{destination: {host: productpage, port: {number: 9080}}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
  - {name: v3, labels: {version: v3}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - name: jason
    match: [{headers: {end-user: {exact: jason}}}]
    route: [{destination: {host: reviews, subset: v2}}]
  - name: rewritten
    match: [{uri: {prefix: /old/}}]
    rewrite: {uri: /new/}
    headers: {request: {set: {x-lane: blue}}}
    route: [{destination: {host: reviews, subset: v3}}]
  - name: broken
    match: [{uri: {prefix: /broken}}]
    fault: {abort: {httpStatus: 555, percentage: {value: 100}}}
    route: [{destination: {host: reviews, subset: v1}}]
  - name: canary
    route:
    - {destination: {host: reviews, subset: v1}, weight: 80}
    - {destination: {host: reviews, subset: v3}, weight: 20}
---
"""

_WORKLOADS = (
    ("productpage", "v1"),
    ("details", "v1"),
    ("ratings", "v1"),
    ("reviews", "v1"),
    ("reviews", "v2"),
    ("reviews", "v3"),
)

CALLS = {
    "productpage-v1": Behaviour(
        calls=(Call(url="http://details:9080/details/0"), Call(url="http://reviews:9080/reviews/0"))
    ),
    "reviews-v2": Behaviour(calls=(Call(url="http://ratings:9080/ratings/0"),)),
    "reviews-v3": Behaviour(calls=(Call(url="http://ratings:9080/ratings/0"),)),
}


def manifests(more: str = ROUTING, *, port: int = 9080) -> str:
    """Return the bookshop as text, with further manifests."""
    names = sorted({name for name, _ in _WORKLOADS})
    services = [_SERVICE.format(name=name, port=port) for name in names]
    pods = [
        _DEPLOYMENT.format(name=name, version=version, replicas=1, port=port)
        for name, version in _WORKLOADS
    ]
    return "".join([*services, *pods, more])


def bookshop(
    more: str = ROUTING, *, behaviours: dict[str, Behaviour] | None = None, port: int = 9080
) -> Scenario:
    """Return the bookshop with further manifests."""
    file = ScenarioFile(workloads=CALLS if behaviours is None else behaviours)
    return Scenario.of(load_texts([("shop.yaml", manifests(more, port=port))]), file)
