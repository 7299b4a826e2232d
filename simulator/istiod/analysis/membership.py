"""Which pods are in the mesh, as analysis sees it.

Follows   istio pkg/config/analysis/analyzers/util/in_mesh.go
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from simulator.config.kubernetes import Container
from simulator.istiod.pod import Pod
from simulator.istiod.registry import Mesh

PROXY = "istio-proxy"
_INJECT = "sidecar.istio.io/inject"


def in_mesh(mesh: Mesh, pod: Pod) -> bool:
    """Say whether a pod has a proxy of its own, written or injected."""
    if pod.source is None:
        return pod.proxied
    if pod.source.kind != "Pod":
        template = pod.source.spec.template
        spec, annotations = template.spec, template.metadata.annotations
    else:
        spec, annotations = pod.source.spec, pod.source.annotations
    containers = (*spec.containers, *spec.init_containers)
    return injected(mesh, pod.namespace, pod.labels, annotations, containers)


def injected(
    mesh: Mesh,
    namespace: str,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    containers: Sequence[Container],
) -> bool:
    """Say whether pods of this form have a proxy: their own, else by label, else by namespace."""
    if any(each.name == PROXY and each.image for each in containers):
        return True
    for written in (labels, annotations):
        if _INJECT in written:
            return written[_INJECT] == "true"
    for each in mesh.manifests.of("Namespace"):
        if each.name == namespace:
            return each.labels.get("istio-injection") == "enabled"
    # Without a word of it, `default` is injected.
    return namespace == "default"
