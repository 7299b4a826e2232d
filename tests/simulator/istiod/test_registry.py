from __future__ import annotations

import pytest

from simulator.istiod.registry import Locality, Mesh, Resolution, UnknownProxyError
from tests.simulator.istiod.meshes import shop


def test_manifests_alone_make_a_mesh() -> None:
    mesh = shop()

    assert [(pod.ref, pod.ip) for pod in mesh.pods] == [
        ("details-v1-0.default", "10.244.0.1"),
        ("istio-ingressgateway-0.istio-system", "10.244.0.2"),
        ("productpage-v1-0.default", "10.244.0.3"),
        ("ratings-v1-0.default", "10.244.0.4"),
        ("reviews-v1-0.default", "10.244.0.5"),
        ("reviews-v1-1.default", "10.244.0.6"),
        ("reviews-v2-0.default", "10.244.0.7"),
        ("reviews-v3-0.default", "10.244.0.8"),
    ]
    assert list(mesh.services) == [
        "details.default.svc.cluster.local",
        "istio-ingressgateway.istio-system.svc.cluster.local",
        "istiod.istio-system.svc.cluster.local",
        "productpage.default.svc.cluster.local",
        "ratings.default.svc.cluster.local",
        "reviews.default.svc.cluster.local",
    ]


def test_a_pod_knows_its_workload() -> None:
    pod = shop().pod("reviews-v2-0.default")

    assert (pod.deployment, pod.version, pod.ports) == ("reviews-v2.default", "v2", (9080,))
    assert (pod.service_account, pod.sidecar, pod.gateway) == ("reviews", True, False)


def test_the_gateway_has_no_sidecar() -> None:
    pod = shop().pod("istio-ingressgateway.istio-system")

    assert (pod.sidecar, pod.gateway, pod.ports) == (False, True, (8080, 8443, 15021))


@pytest.mark.parametrize(
    ("reference", "want"),
    [
        pytest.param("reviews-v1-1.default", "reviews-v1-1.default", id="pod"),
        pytest.param("reviews-v1.default", "reviews-v1-0.default", id="workload"),
        pytest.param("deploy/reviews-v1.default", "reviews-v1-0.default", id="kubectl-form"),
    ],
)
def test_a_proxy_has_several_names(reference: str, want: str) -> None:
    assert shop().pod(reference).ref == want


def test_an_unknown_proxy_is_refused_with_near_names() -> None:
    with pytest.raises(UnknownProxyError, match="did you mean") as caught:
        shop().pod("review-v1.default")

    assert "reviews-v1.default" in caught.value.near


def test_nothing_is_near_to_gibberish() -> None:
    with pytest.raises(UnknownProxyError) as caught:
        shop().pod("xyzzy")

    assert caught.value.near == ()


def pod_in(namespace: str, labels: str = "{}", **namespace_labels: str) -> Mesh:
    written = ", ".join(f'{name}: "{value}"' for name, value in namespace_labels.items())
    return shop(f"""
apiVersion: v1
kind: Namespace
metadata: {{name: {namespace}, labels: {{{written}}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: one, namespace: {namespace}, labels: {labels}}}
spec: {{containers: [{{name: main}}]}}
""")


@pytest.mark.parametrize(
    ("namespace", "namespace_labels", "labels", "want"),
    [
        pytest.param("shop", {"istio-injection": "enabled"}, "{}", True, id="enabled"),
        pytest.param("shop", {}, "{}", False, id="unlabelled"),
        pytest.param("default", {}, "{}", False, id="default-without-its-label"),
        pytest.param("shop", {"istio.io/rev": "canary"}, "{}", True, id="revision"),
        pytest.param(
            "shop",
            {"istio-injection": "disabled", "istio.io/rev": "canary"},
            "{}",
            False,
            id="injection-wins-over-revision",
        ),
        pytest.param("shop", {}, '{sidecar.istio.io/inject: "true"}', True, id="pod-says-yes"),
        pytest.param(
            "shop",
            {"istio-injection": "enabled"},
            '{sidecar.istio.io/inject: "false"}',
            False,
            id="pod-says-no",
        ),
    ],
)
def test_injection(
    namespace: str, namespace_labels: dict[str, str], labels: str, want: bool
) -> None:
    mesh = pod_in(namespace, labels, **namespace_labels)

    assert mesh.pod(f"one.{namespace}").sidecar is want


SERVICES = """
apiVersion: v1
kind: Service
metadata: {name: alias}
spec: {type: ExternalName, externalName: reviews.default.svc.cluster.local}
---
apiVersion: v1
kind: Service
metadata: {name: pods}
spec: {clusterIP: None, selector: {app: reviews}, ports: [{name: http, port: 9080}]}
---
apiVersion: v1
kind: Service
metadata: {name: fixed}
spec: {clusterIP: 10.96.0.11, ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: fixed-1, labels: {kubernetes.io/service-name: fixed}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints:
  - addresses: [192.0.2.1]
  - addresses: [192.0.2.2]
    conditions: {ready: false}
"""


def test_kinds_of_services() -> None:
    services = shop(SERVICES).services
    alias = services["alias.default.svc.cluster.local"]
    pods = services["pods.default.svc.cluster.local"]

    assert alias.resolution is Resolution.ALIAS
    assert alias.external_name == "reviews.default.svc.cluster.local"
    assert (pods.resolution, pods.ip) == (Resolution.ORIGINAL, "0.0.0.0")


def test_a_given_address_is_not_given_again() -> None:
    services = shop(SERVICES).services

    assert services["fixed.default.svc.cluster.local"].ip == "10.96.0.11"
    assert services["details.default.svc.cluster.local"].ip == "10.96.0.12"


def test_given_endpoints_replace_selected_pods() -> None:
    fixed = shop(SERVICES).services["fixed.default.svc.cluster.local"]

    assert [(each.address, each.port, each.ready) for each in fixed.endpoints] == [
        ("192.0.2.1", 8080, True),
        ("192.0.2.2", 8080, False),
    ]


def test_a_named_target_port_is_the_containers() -> None:
    mesh = shop("""
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: main, ports: [{name: front, containerPort: 3000}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: front}, {name: http-b, port: 81, targetPort: back}]
""")
    endpoints = mesh.services["web.default.svc.cluster.local"].endpoints

    assert [(each.port_name, each.port) for each in endpoints] == [("http", 3000)]


def test_locality_is_the_nodes() -> None:
    mesh = shop("""
apiVersion: v1
kind: Node
metadata:
  name: n1
  labels: {topology.kubernetes.io/region: eu, topology.kubernetes.io/zone: eu-a}
---
apiVersion: v1
kind: Pod
metadata: {name: one}
spec: {nodeName: n1, containers: [{name: main}]}
""")

    assert mesh.pod("one.default").locality == Locality("eu", "eu-a")


def test_a_declared_gateway_replaces_the_built_in_one() -> None:
    mesh = shop("""
apiVersion: apps/v1
kind: Deployment
metadata: {name: istio-ingressgateway, namespace: istio-system}
spec:
  replicas: 2
  selector: {matchLabels: {istio: ingressgateway}}
  template:
    metadata: {labels: {app: istio-ingressgateway, istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy}]}
""")
    pods = mesh.pods_of("istio-ingressgateway.istio-system")

    assert [(pod.name, pod.gateway) for pod in pods] == [
        ("istio-ingressgateway-0", True),
        ("istio-ingressgateway-1", True),
    ]
