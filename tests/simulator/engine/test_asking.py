"""A mesh whose requests need a service's leave."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simulator.config.scenario import Request
from simulator.observe.observation import Observation
from tests.support.mesh import deployment, scenario, service

PROVIDER = {
    "name": "leave",
    "envoyExtAuthzHttp": {"service": "leave.default.svc.cluster.local", "port": 9080},
}


def manifest(kind: str, name: str, namespace: str, api: str, **more: Any) -> str:
    metadata = {"name": name, "namespace": namespace}
    return json.dumps({"apiVersion": api, "kind": kind, "metadata": metadata, **more})


def mesh_config(**provider: Any) -> str:
    http = {**PROVIDER["envoyExtAuthzHttp"], **provider}  # type: ignore[dict-item]
    mesh = {"extensionProviders": [{"name": "leave", "envoyExtAuthzHttp": http}]}
    data = {"mesh": json.dumps(mesh)}
    return manifest("ConfigMap", "istio", "istio-system", "v1", data=data)


POLICY = manifest(
    "AuthorizationPolicy",
    "ask",
    "default",
    "security.istio.io/v1",
    spec={
        "selector": {"matchLabels": {"app": "a"}},
        "action": "CUSTOM",
        "provider": {"name": "leave"},
        "rules": [{"to": [{"operation": {"paths": ["/asked*"]}}]}],
    },
)


def asked(path: str, behaviour: dict[str, Any], **provider: Any) -> Observation:
    world = scenario(
        service("a"),
        deployment("a", "a"),
        deployment("client", "client"),
        service("leave"),
        deployment("leave", "leave", sidecar=False),
        mesh_config(**provider),
        POLICY,
        workloads={"leave": behaviour},
    )
    request = Request.model_validate({"url": f"http://a:9080{path}", "from": "client.default"})
    return world.probe([request])[0]


REFUSING = {"disturbances": [{"share": 1.0, "status": 401}]}


@pytest.mark.parametrize(
    ("path", "behaviour", "provider", "status", "details"),
    [
        pytest.param("/asked", {}, {}, 200, "via_upstream", id="granted"),
        pytest.param("/asked", REFUSING, {}, 401, "ext_authz_denied", id="refused"),
        pytest.param("/free", REFUSING, {}, 200, "via_upstream", id="not-asked"),
        pytest.param(
            "/asked",
            {"latency": "2s"},
            {"timeout": "0.5s"},
            403,
            "ext_authz_error",
            id="too-late",
        ),
        pytest.param(
            "/asked",
            {"latency": "2s"},
            {"timeout": "0.5s", "failOpen": True},
            200,
            "via_upstream",
            id="too-late-but-open",
        ),
    ],
)
def test_a_service_is_asked_for_leave(
    path: str, behaviour: dict[str, Any], provider: dict[str, Any], status: int, details: str
) -> None:
    seen = asked(path, behaviour, **provider)

    assert seen.status == status
    assert seen.hops[1].details == details
    assert ("UAEX" in seen.hops[1].response_flags) == (details != "via_upstream")
