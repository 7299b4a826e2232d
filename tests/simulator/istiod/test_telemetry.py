"""Access logs: which are written for whom, and how."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simulator.envoy_api import format as as_json
from simulator.istiod.generate import generate, to_json
from simulator.istiod.telemetry import access_logs, listener_logs
from tests.simulator.istiod.meshes import shop

_PROVIDERS = """
extensionProviders:
- name: short
  envoyFileAccessLog: {path: /dev/stderr, logFormat: {text: "%REQ_WITHOUT_QUERY(:path)%"}}
- name: fields
  envoyFileAccessLog: {logFormat: {labels: {way: "%REQ(:path)%"}}, omitEmptyValues: true}
- {name: remote, envoyOtelAls: {service: otel.default.svc.cluster.local, port: 4317}}
"""
STDOUT = "accessLogFile: /dev/stdout"


def mesh_config(text: str) -> str:
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "istio", "namespace": "istio-system"},
        "data": {"mesh": text},
    }
    return json.dumps(config)


def telemetry(
    *logging: dict[str, Any], namespace: str = "default", app: str = "", name: str = "logs"
) -> str:
    spec: dict[str, Any] = {"accessLogging": logging}
    if app:
        spec["selector"] = {"matchLabels": {"app": app}}
    return json.dumps({
        "apiVersion": "telemetry.istio.io/v1",
        "kind": "Telemetry",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    })  # fmt: skip


def by(*names: str, **more: Any) -> dict[str, Any]:
    return {"providers": [{"name": name} for name in names], **more}


def logs(*texts: str, side: str = "CLIENT", workload: str = "reviews-v1") -> list[dict[str, Any]]:
    mesh = shop(*texts)
    pod = mesh.pod(f"{workload}.default")
    found: Any = access_logs(mesh, pod, side)  # type: ignore[arg-type]
    return [
        {"path": config["path"], **config.get("log_format", {}), "filter": each.get("filter")}
        for each in found
        for config in [as_json(_unpacked(each["typed_config"]))]
    ]


def _unpacked(packed: Any) -> Any:
    from simulator.envoy_api import unpack

    return unpack(packed)


ROOT = "istio-system"


@pytest.mark.parametrize(
    ("texts", "paths"),
    [
        pytest.param([], [], id="by-default-nothing-is-logged"),
        pytest.param([mesh_config(STDOUT)], ["/dev/stdout"], id="the-mesh-names-a-file"),
        pytest.param([telemetry(by("envoy"))], ["/dev/stdout"], id="the-provider-that-is-built-in"),
        pytest.param(
            [mesh_config(STDOUT), telemetry(by("envoy", disabled=True))],
            [],
            id="a-telemetry-switches-it-off",
        ),
        pytest.param(
            [mesh_config(_PROVIDERS), telemetry(by("short", "fields"), namespace=ROOT)],
            ["/dev/stdout", "/dev/stderr"],
            id="two-providers-in-the-order-of-their-names",
        ),
        pytest.param(
            [
                mesh_config(_PROVIDERS),
                telemetry(by("short", "envoy"), namespace=ROOT),
                telemetry(by("short", disabled=True)),
            ],
            [],
            id="a-narrower-choice-of-providers-replaces-the-wider",
        ),
        pytest.param(
            [
                mesh_config(_PROVIDERS),
                telemetry(by("envoy"), namespace=ROOT),
                telemetry({"disabled": True}, app="reviews"),
            ],
            [],
            id="a-workload-that-names-no-provider-speaks-of-those-above",
        ),
        pytest.param([telemetry(by("envoy"), app="ratings")], [], id="another-workloads-telemetry"),
        pytest.param(
            [telemetry(by("envoy"), namespace="elsewhere")], [], id="another-namespaces-telemetry"
        ),
        pytest.param(
            [telemetry(by("envoy", match={"mode": "SERVER"}))], [], id="for-the-other-side-alone"
        ),
        pytest.param(
            [mesh_config(_PROVIDERS), telemetry(by("remote"))], [], id="logs-over-grpc-are-left-out"
        ),
        pytest.param(
            [mesh_config("defaultProviders: {accessLogging: [envoy]}")],
            ["/dev/stdout"],
            id="the-meshs-default-providers",
        ),
        pytest.param(
            [telemetry(by("envoy"), name="b"), telemetry(by("nobody"), name="a")],
            [],
            id="the-oldest-of-a-namespace-alone-counts",
        ),
    ],
)
def test_who_logs(texts: list[str], paths: list[str]) -> None:
    assert [each["path"] for each in logs(*texts)] == paths


def test_the_servers_side_is_told_apart() -> None:
    said = telemetry(by("envoy", match={"mode": "SERVER"}))
    assert [each["path"] for each in logs(said, side="SERVER")] == ["/dev/stdout"]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        pytest.param(
            f"{STDOUT}\naccessLogFormat: '%RESPONSE_CODE%'",
            {"text_format_source": {"inline_string": "%RESPONSE_CODE%\n"}},
            id="a-format-ends-with-its-line",
        ),
        pytest.param(
            f'{STDOUT}\naccessLogEncoding: JSON\naccessLogFormat: \'{{"a": "%PROTOCOL%"}}\'',
            {"json_format": {"a": "%PROTOCOL%"}},
            id="json",
        ),
    ],
)
def test_the_meshs_format(config: str, expected: dict[str, Any]) -> None:
    (found,) = logs(mesh_config(config))
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize("broken", ["[]", "foo", '"{}"'])
def test_a_json_format_that_is_none_leaves_the_default(broken: str) -> None:
    lines = f"{STDOUT}\naccessLogEncoding: JSON\naccessLogFormat: '{broken}'"
    (found,) = logs(mesh_config(lines))
    assert len(found["json_format"]) == 24
    assert found["json_format"]["upstream_cluster"] == "%UPSTREAM_CLUSTER_RAW%"


def test_the_default_text_says_why_a_request_failed() -> None:
    (found,) = logs(mesh_config(STDOUT))
    words = found["text_format_source"]["inline_string"].split()
    assert words[:4] == ["[%START_TIME%]", '"%REQ(:METHOD)%', "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
                         '%PROTOCOL%"']  # fmt: skip
    assert words[4:8] == ["%RESPONSE_CODE%", "%RESPONSE_FLAGS%", "%RESPONSE_CODE_DETAILS%",
                          "%CONNECTION_TERMINATION_DETAILS%"]  # fmt: skip
    assert words[-2:] == ["%REQUESTED_SERVER_NAME%", "%ROUTE_NAME%"]


def test_a_filter_is_an_expression() -> None:
    said = by("envoy", filter={"expression": "response.code >= 400"})
    (found,) = logs(telemetry(said))
    assert found["filter"]["extension_filter"]["name"].endswith(".cel")
    mesh = shop(telemetry(said))
    (listening,) = listener_logs(mesh, mesh.pod("reviews-v1.default"), "CLIENT")
    first, second = listening["filter"]["and_filter"]["filters"]
    assert first == {"response_flag_filter": {"flags": ["NR"]}}
    assert "extension_filter" in second


def test_every_listener_and_chain_of_a_proxy_has_the_log() -> None:
    mesh = shop(mesh_config(STDOUT))
    for proxy in ("reviews-v1.default", "istio-ingressgateway-0.istio-system"):
        for listener in to_json(generate(mesh, mesh.pod(proxy)))["listeners"]:
            assert len(listener["access_log"]) == 1
            chains = [*listener.get("filter_chains", []), listener.get("default_filter_chain")]
            for chain in filter(None, chains):
                last = chain["filters"][-1]["typed_config"]
                assert len(last["access_log"]) == 1, listener["name"]


def test_a_telemetry_for_some_pods_tells_likes_apart() -> None:
    mesh = shop(telemetry(by("envoy"), app="reviews"))
    with_logs, without = (
        to_json(generate(mesh, mesh.pod(f"{name}.default")))["listeners"][0]
        for name in ("reviews-v1", "productpage-v1")
    )
    assert "access_log" in with_logs
    assert "access_log" not in without
