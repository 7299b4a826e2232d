"""Istio's standard metrics of a mesh where every request can be counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from simulator.engine.metrics import DURATION, OPENED, REQUESTS, Sample
from simulator.scenario import Run
from simulator.views import prometheus
from tests.support.mesh import deployment, istio, scenario, service

CLIENT = {
    "name": "c",
    "from": "client.default",
    "url": "http://a:9080/",
    "users": 1,
    "think": "20ms",
}


def ran(*manifests: str, **file: Any) -> Run:
    return scenario(
        service("a", port_name=file.pop("port_name", "http")),
        deployment("a", "a", version="v1", sidecar=file.pop("sidecar", True)),
        deployment("client", "client"),
        deployment("bare", "bare", sidecar=False),
        *manifests,
        **{
            "workloads": {"a": {"script": [{"latency": "16ms"}, {"status": 503}]}},
            "network": {"latency": "1ms"},
            "clients": [CLIENT],
            "duration": "1s",
            **file,
        },
    ).run()


def of(run: Run, name: str, **labels: str) -> list[Sample]:
    return [
        each
        for each in run.metrics
        if each.name == name and labels.items() <= dict(each.labels).items()
    ]


@pytest.mark.parametrize(
    ("reporter", "policy"),
    [pytest.param("source", "unknown", id="as-the-client-side-reports-it"),
     pytest.param("destination", "mutual_tls", id="as-the-server-side-reports-it")],
)  # fmt: skip
def test_a_request_is_labelled_as_istio_labels_it(reporter: str, policy: str) -> None:
    rule = {
        "hosts": ["a"],
        "http": [{"retries": {"attempts": 0}, "route": [{"destination": {"host": "a"}}]}],
    }
    run = ran(istio("VirtualService", "a", rule))

    found = of(run, REQUESTS, reporter=reporter)

    assert [(each.labels["response_code"], each.value) for each in found] == [
        ("200", (run.requests["status"] == 200).sum()),
        ("503", (run.requests["status"] == 503).sum()),
    ]
    assert found[0].labels == {
        "reporter": reporter,
        "source_workload": "client",
        "source_workload_namespace": "default",
        "source_principal": "spiffe://cluster.local/ns/default/sa/default",
        "source_app": "client",
        "source_version": "unknown",
        "source_cluster": "Kubernetes",
        "source_canonical_service": "client",
        "source_canonical_revision": "latest",
        "destination_workload": "a",
        "destination_workload_namespace": "default",
        "destination_principal": "spiffe://cluster.local/ns/default/sa/default",
        "destination_app": "a",
        "destination_version": "v1",
        "destination_cluster": "Kubernetes",
        "destination_canonical_service": "a",
        "destination_canonical_revision": "v1",
        "destination_service": "a.default.svc.cluster.local",
        "destination_service_name": "a",
        "destination_service_namespace": "default",
        "request_protocol": "http",
        "response_code": "200",
        "response_flags": "-",
        "connection_security_policy": policy,
    }


def test_buckets_count_whole_milliseconds_up_to_their_bounds() -> None:
    run = ran(workloads={"a": {"latency": "24999us"}})
    number = len(run.requests)

    found = of(run, f"{DURATION}_bucket", reporter="destination")

    # Envoy counts whole milliseconds: 24.
    within = {each.labels["le"]: each.value for each in found}
    assert (within["0.5"], within["10"], within["25"], within["+Inf"]) == (0, 0, number, number)
    (total,) = of(run, f"{DURATION}_sum", reporter="destination")
    assert total.value == number * 24


@pytest.mark.parametrize(
    ("changed", "labels"),
    [
        pytest.param(
            {"clients": [CLIENT | {"from": "bare.default"}]},
            {"source_workload": "unknown", "connection_security_policy": "none"},
            id="from-a-client-without-a-proxy",
        ),
        pytest.param(
            {"clients": [CLIENT | {"url": "http://nobody.example:9080/"}]},
            {"destination_service_name": "PassthroughCluster", "destination_workload": "unknown"},
            id="to-a-host-that-the-mesh-does-not-know",
        ),
        pytest.param(
            {"sidecar": False},
            {"destination_workload": "a", "destination_principal": "unknown"},
            id="to-a-workload-without-a-proxy",
        ),
    ],
)
def test_who_shows_no_certificate(changed: Mapping[str, Any], labels: dict[str, str]) -> None:
    run = ran(**changed)

    assert of(run, REQUESTS, **labels)


def test_connections_that_no_proxy_reads_are_counted_as_such() -> None:
    run = ran(port_name="tcp")

    assert not of(run, REQUESTS)
    assert [(each.labels["reporter"], each.value) for each in of(run, OPENED)] == [
        ("destination", len(run.requests)),
        ("source", len(run.requests)),
    ]
    assert "response_code" not in of(run, OPENED)[0].labels


def test_the_text_that_prometheus_reads() -> None:
    lines = prometheus.text(ran()).splitlines()

    assert [line for line in lines if line.startswith("#")] == [
        f"# TYPE {DURATION} histogram",
        f"# TYPE {REQUESTS} counter",
    ]
    assert any(
        line.startswith(f'{DURATION}_bucket{{reporter="source",') and ',le="25"} ' in line
        for line in lines
    )


def test_a_run_without_requests_has_no_metrics() -> None:
    assert ran(clients=[]).metrics == ()
