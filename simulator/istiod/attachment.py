"""Which policies hold for a proxy: by their namespace, and by labels or the objects they name.

Follows   istio pilot/pkg/model/policyattachment.go, authorization.go (ListAuthorizationPolicies)
Leaves    waypoints
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simulator.config.objects import Object
from simulator.istiod.registry import Mesh, Pod
from simulator.istiod.services import selects
from simulator.istiod.virtual_service import age

_GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"
_GATEWAY_GROUP = "gateway.networking.k8s.io"


def attached(mesh: Mesh, pod: Pod, kind: str) -> Iterator[Object]:
    """Yield the policies of a kind that hold for a pod: the mesh's, then its namespace's."""
    found = sorted(mesh.manifests.of(kind), key=age)
    for namespace in dict.fromkeys((mesh.config.root_namespace, pod.namespace)):
        for each in found:
            if each.namespace == namespace and holds(each, pod):
                yield each


def holds(policy: Object, pod: Pod) -> bool:
    """Say whether a policy is meant for a pod, if it counts in the pod's namespace."""
    spec: Any = policy.spec
    targets = spec.target_refs or ((spec.target_ref,) if spec.target_ref is not None else ())
    if targets:
        gateway = pod.labels.get(_GATEWAY_NAME)
        return policy.namespace == pod.namespace and any(
            (each.group, each.kind, each.name) == (_GATEWAY_GROUP, "Gateway", gateway)
            for each in targets
        )
    labels = spec.selector.match_labels if spec.selector is not None else {}
    return not labels or selects(labels, pod.labels)
