"""The Kubernetes objects that a mesh is made of, as written.

What decides nothing in a mesh is accepted by name and dropped (`also`); a name that the
Kubernetes API does not have is refused, as `kubectl apply --validate` does.

Follows   kubernetes api core/v1, apps/v1, discovery.k8s.io/v1
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    Strict,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from simulator.config.model import Bool, Int32, PortNumber, Spec, Text


def _int_or_text(value: object) -> object:
    if isinstance(value, (int, str)) and not isinstance(value, bool):
        return value
    raise PydanticCustomError("int_or_text", "expected a port's number or name")


IntOrText = Annotated[int | str, BeforeValidator(_int_or_text)]


Replicas = Annotated[int, Strict(), Field(ge=0, le=10_000)] | None
"""Of one workload. Kubernetes takes 2 billion; a simulated mesh has no addresses for them."""


class Kubernetes(Spec):
    """A part of a Kubernetes object; `also` are the API's other fields, which are dropped."""

    also: ClassVar[str] = ""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the schema for editors, with the fields that are dropped."""
        whole = handler(core)
        found = handler.resolve_ref_schema(whole)
        found["properties"] = {
            **found.get("properties", {}),
            **dict.fromkeys(cls.also.split(), True),
        }
        return whole

    @model_validator(mode="before")
    @classmethod
    def _drop(cls, value: Any) -> Any:  # noqa: ANN401 - raw input
        if not isinstance(value, dict):
            return value
        dropped = cls.also.split()
        return {name: inner for name, inner in value.items() if name not in dropped}


class TemplateMetadata(Kubernetes):
    """What a pod made from a template is called and labelled."""

    also = (
        "clusterName creationTimestamp deletionGracePeriodSeconds deletionTimestamp finalizers "
        "generateName generation managedFields ownerReferences resourceVersion selfLink uid"
    )

    name: Text = ""
    namespace: Text = ""
    labels: dict[str, Text] = Field(default_factory=dict)
    annotations: dict[str, Text] = Field(default_factory=dict)


class ServicePort(Kubernetes):
    """A port of a Service."""

    name: Text = ""
    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"
    port: PortNumber
    target_port: IntOrText | None = None
    app_protocol: Text | None = None
    node_port: Int32 | None = None


class Service(Kubernetes):
    """A name for a set of pods."""

    also = (
        "allocateLoadBalancerNodePorts clusterIPs externalIPs externalTrafficPolicy "
        "healthCheckNodePort internalTrafficPolicy ipFamilies ipFamilyPolicy loadBalancerClass "
        "loadBalancerIP loadBalancerSourceRanges sessionAffinityConfig topologyKeys"
    )

    type: Literal["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"] = "ClusterIP"
    cluster_ip: Text | None = Field(default=None, alias="clusterIP")
    """`None` as text makes the service headless."""
    external_name: Text = ""
    selector: dict[str, Text] = Field(default_factory=dict)
    ports: tuple[ServicePort, ...] = ()
    publish_not_ready_addresses: Bool = False
    session_affinity: Literal["None", "ClientIP"] = "None"
    traffic_distribution: Text = ""


class ContainerPort(Kubernetes):
    """A port that a container listens on."""

    name: Text = ""
    container_port: PortNumber
    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"
    host_port: Int32 | None = None
    host_ip: Text | None = Field(default=None, alias="hostIP")


class EnvVar(Kubernetes):
    """A variable of a container's environment."""

    also = "valueFrom"

    name: Text
    value: Text = ""


class SecurityContext(Kubernetes):
    """As whom a container runs."""

    also = (
        "allowPrivilegeEscalation appArmorProfile capabilities fsGroup fsGroupChangePolicy "
        "privileged procMount readOnlyRootFilesystem runAsGroup runAsNonRoot seLinuxChangePolicy "
        "seLinuxOptions seccompProfile supplementalGroups supplementalGroupsPolicy sysctls "
        "windowsOptions"
    )

    run_as_user: Annotated[int, Strict(), Field(ge=0)] | None = None


class Container(Kubernetes):
    """A container of a pod."""

    also = (
        "args command envFrom imagePullPolicy lifecycle livenessProbe readinessProbe "
        "resizePolicy resources restartPolicy restartPolicyRules startupProbe "
        "stdin stdinOnce targetContainerName terminationMessagePath terminationMessagePolicy tty "
        "volumeDevices volumeMounts workingDir"
    )

    name: Text
    image: Text = ""
    ports: tuple[ContainerPort, ...] = ()
    env: tuple[EnvVar, ...] = ()
    security_context: SecurityContext | None = None


class Pod(Kubernetes):
    """What runs in a pod."""

    also = (
        "activeDeadlineSeconds affinity automountServiceAccountToken dnsConfig dnsPolicy "
        "enableServiceLinks hostAliases hostIPC hostPID hostUsers hostnameOverride "
        "imagePullSecrets nodeSelector os overhead preemptionPolicy priority priorityClassName "
        "readinessGates resourceClaims resources restartPolicy runtimeClassName schedulerName "
        "schedulingGates setHostnameAsFQDN shareProcessNamespace "
        "terminationGracePeriodSeconds tolerations topologySpreadConstraints volumes workloadRef"
    )

    containers: tuple[Container, ...] = Field(min_length=1)
    init_containers: tuple[Container, ...] = ()
    ephemeral_containers: tuple[Container, ...] = ()
    service_account_name: Text = ""
    service_account: Text = ""
    """Deprecated spelling."""
    host_network: Bool = False
    security_context: SecurityContext | None = None
    hostname: Text = ""
    subdomain: Text = ""
    node_name: Text = ""


class PodTemplate(Kubernetes):
    """What the pods of a workload are like."""

    metadata: TemplateMetadata = TemplateMetadata()
    spec: Pod


class LabelSelector(Kubernetes):
    """Which pods a workload owns."""

    match_labels: dict[str, Text] = Field(default_factory=dict)
    match_expressions: tuple[dict[str, Any], ...] = ()


class _Workload(Kubernetes):
    selector: LabelSelector = LabelSelector()
    template: PodTemplate


class Deployment(_Workload):
    """Replicas of a pod."""

    also = "minReadySeconds paused progressDeadlineSeconds revisionHistoryLimit strategy"

    replicas: Replicas = None


class ReplicaSet(_Workload):
    """Replicas of a pod, without roll-outs."""

    also = "minReadySeconds"

    replicas: Replicas = None


class StatefulSet(_Workload):
    """Replicas of a pod, each with a name of its own."""

    also = (
        "minReadySeconds ordinals persistentVolumeClaimRetentionPolicy podManagementPolicy "
        "revisionHistoryLimit updateStrategy volumeClaimTemplates"
    )

    replicas: Replicas = None
    service_name: Text = ""


class DaemonSet(_Workload):
    """A pod on each node."""

    also = "minReadySeconds revisionHistoryLimit updateStrategy"


class Job(Kubernetes):
    """A pod that runs to its end."""

    also = (
        "activeDeadlineSeconds backoffLimit backoffLimitPerIndex completionMode completions "
        "managedBy manualSelector maxFailedIndexes parallelism podFailurePolicy "
        "podReplacementPolicy selector successPolicy suspend ttlSecondsAfterFinished"
    )

    template: PodTemplate


class Secret(Kubernetes):
    """Certificates and keys, by name: in base64, or as text."""

    type: Text = "Opaque"
    data: dict[str, Text] = Field(default_factory=dict)
    string_data: dict[str, Text] = Field(default_factory=dict)
    immutable: Bool = False


class ServiceAccount(Kubernetes):
    """An identity; nothing of it but its name matters."""

    also = "automountServiceAccountToken imagePullSecrets secrets"


class Namespace(Kubernetes):
    """A namespace; its labels decide on injection."""

    also = "finalizers"


class ConfigMap(Kubernetes):
    """Named texts; the mesh's own configuration is one of them."""

    also = "immutable"

    data: dict[str, Text] = Field(default_factory=dict)
    binary_data: dict[str, Text] = Field(default_factory=dict)


class Node(Kubernetes):
    """A node; its labels are its locality."""

    also = "configSource externalID podCIDR podCIDRs providerID taints unschedulable"


class EndpointAddress(Kubernetes):
    """An address in an Endpoints object."""

    also = "targetRef"

    ip: Text
    hostname: Text = ""
    node_name: Text = ""


class EndpointPort(Kubernetes):
    """A port in an Endpoints object or EndpointSlice."""

    name: Text = ""
    port: Annotated[int, Strict(), Field(ge=0, le=65535)] | None = None
    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"
    app_protocol: Text | None = None


class EndpointSubset(Kubernetes):
    """Addresses that share their ports."""

    addresses: tuple[EndpointAddress, ...] = ()
    not_ready_addresses: tuple[EndpointAddress, ...] = ()
    ports: tuple[EndpointPort, ...] = ()


class Endpoints(Kubernetes):
    """A Service's addresses, written by hand."""

    subsets: tuple[EndpointSubset, ...] = ()


class EndpointConditions(Kubernetes):
    """Whether an endpoint takes requests."""

    ready: Bool | None = None
    serving: Bool | None = None
    terminating: Bool | None = None


class Endpoint(Kubernetes):
    """One entry of an EndpointSlice."""

    also = "deprecatedTopology hints targetRef"

    addresses: tuple[Text, ...] = Field(min_length=1)
    conditions: EndpointConditions = EndpointConditions()
    hostname: Text = ""
    node_name: Text = ""
    zone: Text = ""


class EndpointSlice(Kubernetes):
    """A Service's addresses, as the control plane keeps them."""

    address_type: Literal["IPv4", "IPv6", "FQDN"] = "IPv4"
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[EndpointPort, ...] = ()
