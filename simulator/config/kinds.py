"""The kinds of objects that clusters know: which are read, which are only known."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.config import ingress, istio, kubernetes
from simulator.config.model import Spec

NETWORKING = frozenset(
    {"networking.istio.io/v1", "networking.istio.io/v1beta1", "networking.istio.io/v1alpha3"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind that is read."""

    versions: frozenset[str]
    spec: type[Spec]
    namespaced: bool = True
    nested: bool = True
    """Its fields stand under `spec`, not beside `metadata`."""
    required: bool = True
    """It is nothing without its fields."""


def _kind(version: str, spec: type[Spec], **facts: bool) -> Kind:
    return Kind(versions=frozenset({version}), spec=spec, **facts)


_SECURITY = frozenset({"security.istio.io/v1", "security.istio.io/v1beta1"})

KINDS = {
    "VirtualService": Kind(versions=NETWORKING, spec=istio.VirtualService),
    "DestinationRule": Kind(versions=NETWORKING, spec=istio.DestinationRule),
    "Gateway": Kind(versions=NETWORKING, spec=istio.Gateway),
    "ServiceEntry": Kind(versions=NETWORKING, spec=istio.ServiceEntry),
    "Sidecar": Kind(versions=NETWORKING, spec=istio.Sidecar, required=False),
    "WorkloadEntry": Kind(versions=NETWORKING, spec=istio.WorkloadEntry),
    "WorkloadGroup": Kind(versions=NETWORKING, spec=istio.WorkloadGroup),
    "IstioOperator": _kind("install.istio.io/v1alpha1", istio.IstioOperator, required=False),
    "EnvoyFilter": _kind("networking.istio.io/v1alpha3", istio.EnvoyFilter, required=False),
    "ProxyConfig": _kind("networking.istio.io/v1beta1", istio.ProxyConfig, required=False),
    "PeerAuthentication": Kind(versions=_SECURITY, spec=istio.PeerAuthentication, required=False),
    "RequestAuthentication": Kind(
        versions=_SECURITY, spec=istio.RequestAuthentication, required=False
    ),
    "AuthorizationPolicy": Kind(versions=_SECURITY, spec=istio.AuthorizationPolicy, required=False),
    "Telemetry": Kind(
        versions=frozenset({"telemetry.istio.io/v1", "telemetry.istio.io/v1alpha1"}),
        spec=istio.Telemetry,
        required=False,
    ),
    "WasmPlugin": _kind("extensions.istio.io/v1alpha1", istio.WasmPlugin),
    "TrafficExtension": _kind("extensions.istio.io/v1alpha1", istio.TrafficExtension),
    "Service": _kind("v1", kubernetes.Service),
    "Pod": _kind("v1", kubernetes.Pod),
    "ServiceAccount": _kind("v1", kubernetes.ServiceAccount, nested=False, required=False),
    "Namespace": _kind("v1", kubernetes.Namespace, namespaced=False, required=False),
    "Node": _kind("v1", kubernetes.Node, namespaced=False, required=False),
    "Endpoints": _kind("v1", kubernetes.Endpoints, nested=False, required=False),
    "EndpointSlice": _kind("discovery.k8s.io/v1", kubernetes.EndpointSlice, nested=False),
    "Deployment": _kind("apps/v1", kubernetes.Deployment),
    "ReplicaSet": _kind("apps/v1", kubernetes.ReplicaSet),
    "StatefulSet": _kind("apps/v1", kubernetes.StatefulSet),
    "DaemonSet": _kind("apps/v1", kubernetes.DaemonSet),
    "Job": _kind("batch/v1", kubernetes.Job),
    "Secret": _kind("v1", kubernetes.Secret, nested=False, required=False),
    "ConfigMap": _kind("v1", kubernetes.ConfigMap, nested=False, required=False),
    "Ingress": _kind("networking.k8s.io/v1", ingress.Ingress),
}

_KNOWN = {
    "gateway.networking.k8s.io": (
        "Gateway GatewayClass HTTPRoute GRPCRoute TCPRoute TLSRoute UDPRoute ReferenceGrant "
        "BackendTLSPolicy ListenerSet XListenerSet XBackendTrafficPolicy XMesh"
    ),
    "inference.networking.k8s.io": "InferencePool",
    "inference.networking.x-k8s.io": "InferencePool InferenceModel InferenceObjective",
    "": (
        "PersistentVolume PersistentVolumeClaim ReplicationController "
        "ResourceQuota LimitRange PodTemplate Event Binding ComponentStatus"
    ),
    "apps": "ControllerRevision",
    "batch": "CronJob",
    "autoscaling": "HorizontalPodAutoscaler Scale",
    "policy": "PodDisruptionBudget Eviction",
    "networking.k8s.io": "IngressClass NetworkPolicy IPAddress ServiceCIDR",
    "rbac.authorization.k8s.io": "Role RoleBinding ClusterRole ClusterRoleBinding",
    "storage.k8s.io": "StorageClass VolumeAttachment CSIDriver CSINode CSIStorageCapacity",
    "scheduling.k8s.io": "PriorityClass",
    "coordination.k8s.io": "Lease LeaseCandidate",
    "node.k8s.io": "RuntimeClass",
    "certificates.k8s.io": "CertificateSigningRequest ClusterTrustBundle",
    "apiregistration.k8s.io": "APIService",
    "apiextensions.k8s.io": "CustomResourceDefinition",
    "admissionregistration.k8s.io": (
        "MutatingWebhookConfiguration ValidatingWebhookConfiguration "
        "ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding MutatingAdmissionPolicy "
        "MutatingAdmissionPolicyBinding"
    ),
    "authentication.k8s.io": "TokenRequest TokenReview SelfSubjectReview",
    "authorization.k8s.io": (
        "LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview "
        "SubjectAccessReview"
    ),
}


def group_of(api_version: str) -> str:
    """Return the API group; empty for the core API."""
    return api_version.rpartition("/")[0]


def known(api_version: str, kind: str) -> bool:
    """Say whether such objects exist, though they are not read; in a foreign group any may."""
    names = _KNOWN.get(group_of(api_version))
    if names is None:
        return group_of(api_version) not in _GROUPS_READ
    return kind in names.split()


def kinds_of(api_version: str) -> tuple[str, ...]:
    """Return the kinds of an API group."""
    group = group_of(api_version)
    read = [
        name for name, each in KINDS.items() if group in {group_of(one) for one in each.versions}
    ]
    return tuple(sorted({*read, *_KNOWN.get(group, "").split()}))


_GROUPS_READ = frozenset(group_of(version) for each in KINDS.values() for version in each.versions)
