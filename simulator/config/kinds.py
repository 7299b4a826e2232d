"""The kinds of objects that clusters know: which are read, which are only known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from simulator.config import gateway_api, ingress, istio, kubernetes, webhooks
from simulator.config.model import Spec

NETWORKING = frozenset(
    {"networking.istio.io/v1", "networking.istio.io/v1beta1", "networking.istio.io/v1alpha3"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind that is read."""

    versions: frozenset[str]
    spec: type[Spec]
    older: Mapping[str, type[Spec]] = field(default_factory=dict)
    """Versions whose fields differ."""
    namespaced: bool = True
    nested: bool = True
    """Its fields stand under `spec`, not beside `metadata`."""
    required: bool = True
    """It is nothing without its fields."""
    named: bool = True
    """It has to have a name."""


def _kind(
    version: str,
    spec: type[Spec],
    *,
    namespaced: bool = True,
    nested: bool = True,
    required: bool = True,
) -> Kind:
    return Kind(
        versions=frozenset({version}),
        spec=spec,
        namespaced=namespaced,
        nested=nested,
        required=required,
    )


def _gateway_api(
    versions: str, spec: type[Spec], alpha: type[Spec] | None = None, *, namespaced: bool = True
) -> Kind:
    older = {f"{gateway_api.GROUP}/v1alpha2": alpha} if alpha is not None else {}
    known = frozenset(f"{gateway_api.GROUP}/{each}" for each in versions.split())
    return Kind(versions=known | older.keys(), spec=spec, older=older, namespaced=namespaced)


KUBERNETES_GATEWAY = "KubernetesGateway"
"""How istiod calls the Gateway of Gateway API, which shares its kind with Istio's own."""

_SECURITY = frozenset({"security.istio.io/v1", "security.istio.io/v1beta1"})

KINDS = {
    KUBERNETES_GATEWAY: _gateway_api("v1 v1beta1", gateway_api.Gateway),
    "GatewayClass": _gateway_api("v1 v1beta1", gateway_api.GatewayClass, namespaced=False),
    "ListenerSet": _gateway_api("v1", gateway_api.ListenerSet),
    "HTTPRoute": _gateway_api("v1 v1beta1", gateway_api.HTTPRoute),
    "GRPCRoute": _gateway_api("v1", gateway_api.GRPCRoute),
    "TLSRoute": _gateway_api("v1 v1alpha3", gateway_api.TLSRoute, gateway_api.TLSRouteAlpha),
    "TCPRoute": _gateway_api("v1", gateway_api.TCPRoute, gateway_api.TCPRouteAlpha),
    "UDPRoute": _gateway_api("v1", gateway_api.UDPRoute, gateway_api.UDPRouteAlpha),
    "ReferenceGrant": _gateway_api("v1 v1beta1", gateway_api.ReferenceGrant),
    "BackendTLSPolicy": _gateway_api("v1 v1alpha3", gateway_api.BackendTLSPolicy),
    "XListenerSet": _kind(f"{gateway_api.EXPERIMENTAL}/v1alpha1", gateway_api.ListenerSet),
    "XBackendTrafficPolicy": _kind(
        f"{gateway_api.EXPERIMENTAL}/v1alpha1", gateway_api.XBackendTrafficPolicy
    ),
    "VirtualService": Kind(versions=NETWORKING, spec=istio.VirtualService),
    "DestinationRule": Kind(versions=NETWORKING, spec=istio.DestinationRule),
    "Gateway": Kind(versions=NETWORKING, spec=istio.Gateway),
    "ServiceEntry": Kind(versions=NETWORKING, spec=istio.ServiceEntry),
    "Sidecar": Kind(versions=NETWORKING, spec=istio.Sidecar, required=False),
    "WorkloadEntry": Kind(versions=NETWORKING, spec=istio.WorkloadEntry),
    "WorkloadGroup": Kind(versions=NETWORKING, spec=istio.WorkloadGroup),
    "IstioOperator": Kind(
        versions=frozenset({"install.istio.io/v1alpha1"}),
        spec=istio.IstioOperator,
        required=False,
        named=False,
    ),
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
    "MutatingWebhookConfiguration": _kind(
        "admissionregistration.k8s.io/v1",
        webhooks.WebhookConfiguration,
        namespaced=False,
        nested=False,
    ),
    "ValidatingWebhookConfiguration": _kind(
        "admissionregistration.k8s.io/v1",
        webhooks.WebhookConfiguration,
        namespaced=False,
        nested=False,
    ),
    "CustomResourceDefinition": _kind(
        "apiextensions.k8s.io/v1", webhooks.CustomResourceDefinition, namespaced=False
    ),
    "Secret": _kind("v1", kubernetes.Secret, nested=False, required=False),
    "ConfigMap": _kind("v1", kubernetes.ConfigMap, nested=False, required=False),
    "Ingress": _kind("networking.k8s.io/v1", ingress.Ingress),
}

_KNOWN = {
    "gateway.networking.x-k8s.io": "XMesh XBackend",
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
    "admissionregistration.k8s.io": (
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


def kind_of(api_version: str, name: str) -> Kind | None:
    """Return the kind of that name which has the version, or any of that name; None for none."""
    named = [KINDS[each] for each in (name, f"Kubernetes{name}") if each in KINDS]
    fitting = [each for each in named if group_of(api_version) in _groups(each)]
    return next(iter((*fitting, *named)), None)


def _groups(kind: Kind) -> frozenset[str]:
    return frozenset(group_of(version) for version in kind.versions)


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
        name.removeprefix("Kubernetes") for name, each in KINDS.items() if group in _groups(each)
    ]
    return tuple(sorted({*read, *_KNOWN.get(group, "").split()}))


_GROUPS_READ = frozenset(group_of(version) for each in KINDS.values() for version in each.versions)
