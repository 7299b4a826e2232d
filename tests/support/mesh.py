"""Small meshes, written as a learner would write them, for tests that need one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from simulator.config.load import load_texts
from simulator.config.scenario import ScenarioFile
from simulator.scenario import Scenario

PORT = 9080


def service(
    app: str, *, port: int = PORT, namespace: str = "default", port_name: str = "http"
) -> str:
    """Return a Service for all pods labelled `app`."""
    spec = {"selector": {"app": app}, "ports": [{"name": port_name, "port": port}]}
    return _object("v1", "Service", app, namespace, spec)


def deployment(
    name: str,
    app: str,
    *,
    version: str = "",
    replicas: int = 1,
    port: int = PORT,
    sidecar: bool = True,
    namespace: str = "default",
) -> str:
    """Return a Deployment of pods labelled `app` and perhaps `version`."""
    labels = {"app": app} | ({"version": version} if version else {})
    extra = {} if sidecar else {"sidecar.istio.io/inject": "false"}
    container = {"name": app, "image": f"example/{app}", "ports": [{"containerPort": port}]}
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels | extra}, "spec": {"containers": [container]}},
    }
    return _object("apps/v1", "Deployment", name, namespace, spec)


def istio(kind: str, name: str, spec: Mapping[str, Any]) -> str:
    """Return an Istio networking resource of the namespace default."""
    return _object("networking.istio.io/v1", kind, name, "default", spec)


def scenario(*manifests: str, **file: Any) -> Scenario:
    """Return the scenario of manifests and of a scenario file's values."""
    loaded = load_texts([(f"{at}.yaml", text) for at, text in enumerate(manifests)])
    return Scenario.of(loaded, ScenarioFile.model_validate(file))


def _object(api_version: str, kind: str, name: str, namespace: str, spec: Mapping[str, Any]) -> str:
    metadata = {"name": name, "namespace": namespace}
    return json.dumps({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec})
