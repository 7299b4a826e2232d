"""Workloads: those that run as the proxy's user.

Follows   istio pkg/config/analysis/analyzers/deployment/pod.go
"""

from __future__ import annotations

from collections.abc import Iterator

from simulator.config.kubernetes import Pod
from simulator.config.objects import Object
from simulator.diagnostics import Diagnostic
from simulator.istiod.analysis.membership import PROXY
from simulator.istiod.analysis.report import report
from simulator.istiod.registry import Mesh

_PROXY_USER = 1337
_OURS = frozenset({PROXY, "istio-operator"})


def users(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0144 for each workload that runs as the proxy's user."""
    for source in mesh.manifests.of("Pod"):
        yield from _users(source, source.spec, "spec")
    for source in mesh.manifests.of("Deployment"):
        yield from _users(source, source.spec.template.spec, "spec.template.spec")


def _users(source: Object, spec: Pod, at: str) -> Iterator[Diagnostic]:
    if source.labels.get("istio") in {"istiod", "pilot"} or source.labels.get("app") == "istiod":
        return
    places = [(f"{at}.securityContext", spec.security_context)]
    for index, each in enumerate(spec.containers):
        if each.name not in _OURS:
            places.append((f"{at}.containers[{index}].securityContext", each.security_context))
    for place, context in places:
        if context is not None and context.run_as_user == _PROXY_USER:
            yield report("IST0144", source, f"{place}.runAsUser", user=_PROXY_USER)
            return
