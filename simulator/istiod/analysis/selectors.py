"""Selectors of Sidecars, Telemetries and policies: pods that they lack, share or cannot have.

Follows   istio pkg/config/analysis/analyzers/{sidecar,telemetry}/{selector,defaultselector}.go,
          pkg/config/analysis/analyzers/k8sgateway/workloadselector.go
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from simulator.config.objects import Object
from simulator.diagnostics import Diagnostic
from simulator.istiod.analysis.report import listed, report
from simulator.istiod.pod import Pod
from simulator.istiod.registry import Mesh

GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"
_REDIRECTION = "ambient.istio.io/redirection"
_POLICIES = ("AuthorizationPolicy", "RequestAuthentication", "Telemetry", "WasmPlugin")


def _labels(spec: Any) -> Mapping[str, str] | None:  # noqa: ANN401 - a Sidecar or a Telemetry
    sidecar = getattr(spec, "workload_selector", None)
    if sidecar is not None:
        found: Mapping[str, str] = sidecar.labels
        return found
    selector = getattr(spec, "selector", None)
    return selector.match_labels if selector is not None else None


def _selected(mesh: Mesh, source: Object, labels: Mapping[str, str]) -> list[Pod]:
    return [
        pod
        for pod in mesh.pods
        if pod.namespace == source.namespace and labels.items() <= pod.labels.items()
    ]


def _overlaps(mesh: Mesh, kind: str, code: str, field: str) -> Iterator[Diagnostic]:
    chosen: dict[str, list[Object]] = defaultdict(list)
    for source in mesh.manifests.of(kind):
        labels = _labels(source.spec)
        if not labels:
            continue
        pods = _selected(mesh, source, labels)
        if not pods:
            advice = "compare the labels with those of the pods in this namespace"
            name = listed(labels)
            yield report("IST0101", source, field, what="pod", name=name, advice=advice)
        for pod in pods:
            if not _redirected(pod):
                chosen[pod.ref].append(source)
    for ref, sources in chosen.items():
        for source in sources if len(sources) > 1 else ():
            others = ", ".join(each.ref for each in sources if each is not source)
            yield report(code, source, "metadata.name", pod=ref, others=others)


def _defaults(mesh: Mesh, kind: str, code: str) -> Iterator[Diagnostic]:
    by_namespace: dict[str, list[Object]] = defaultdict(list)
    for source in mesh.manifests.of(kind):
        targeted = getattr(source.spec, "target_ref", None) or getattr(
            source.spec, "target_refs", ()
        )
        if _labels(source.spec) is None and not targeted:
            by_namespace[source.namespace].append(source)
    ambient = {each.name for each in mesh.manifests.of("Namespace") if is_ambient(each)}
    for namespace, sources in by_namespace.items():
        if namespace in ambient:
            continue
        for source in sources if len(sources) > 1 else ():
            others = ", ".join(each.ref for each in sources if each is not source)
            yield report(code, source, "metadata.name", others=others, namespace=namespace)


def sidecars(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0101 for selectors without pods, IST0110 for pods that several select."""
    yield from _overlaps(mesh, "Sidecar", "IST0110", "spec.workloadSelector.labels")


def default_sidecars(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0111 for namespaces with several Sidecars for all of their pods."""
    yield from _defaults(mesh, "Sidecar", "IST0111")


def ambient_sidecars(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0167 for Sidecars of pods that have none."""
    ambient = {each.name for each in mesh.manifests.of("Namespace") if is_ambient(each)}
    for source in mesh.manifests.of("Sidecar"):
        labels = _labels(source.spec)
        reason = ""
        if not labels:
            reason = "its namespace is ambient" if source.namespace in ambient else ""
        else:
            redirected = [pod.ref for pod in _selected(mesh, source, labels) if _redirected(pod)]
            reason = f"{', '.join(redirected)} is ambient" if redirected else ""
        if reason:
            yield report("IST0167", source, "metadata.name", reason=reason)


def _redirected(pod: Pod) -> bool:
    return pod.source is not None and pod.source.annotations.get(_REDIRECTION) == "enabled"


def is_ambient(namespace: Object) -> bool:
    """Say whether a namespace's pods have no sidecars but the node's proxy."""
    labels = namespace.labels
    if labels.get("istio-injection") == "enabled" or labels.get("istio.io/rev"):
        return False
    return labels.get("istio.io/dataplane-mode") == "ambient"


def telemetries(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0101 for selectors without pods, IST0159 for pods that several select."""
    yield from _overlaps(mesh, "Telemetry", "IST0159", "spec.selector.matchLabels")


def default_telemetries(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0160 for namespaces with several Telemetries for all of their pods."""
    yield from _defaults(mesh, "Telemetry", "IST0160")


def gateway_policies(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0166 for policies that select a Kubernetes Gateway's pods by label."""
    for kind in _POLICIES:
        for source in mesh.manifests.of(kind):
            labels = _labels(source.spec)
            if labels is None or source.spec.target_ref is not None:
                continue
            for pod in _selected(mesh, source, labels):
                gateway = pod.labels.get(GATEWAY_NAME)
                if gateway is not None:
                    yield report("IST0166", source, "spec.selector", gateway=gateway)
