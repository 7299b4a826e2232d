"""The pods that workloads make, each perhaps with a proxy.

Follows   istio pkg/kube/inject (injectRequired), architecture: a Deployment has pods NAME-0…
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.config.istio import MeshConfig
from simulator.config.objects import Manifests, Object
from simulator.config.yaml import documents
from simulator.istiod import addresses, names
from simulator.istiod.service import NOWHERE, Locality

_WORKLOADS = ("Deployment", "StatefulSet", "ReplicaSet", "DaemonSet")
_NEVER_INJECTED = frozenset({"kube-system", "kube-public", "kube-node-lease"})
INGRESS = "istio-ingressgateway"
_INJECT = "sidecar.istio.io/inject"
_TEMPLATES = "inject.istio.io/templates"
_PROXY_CONFIG = "proxy.istio.io/config"
_DNS_CAPTURE = "ISTIO_META_DNS_CAPTURE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One pod."""

    name: str
    namespace: str
    ip: str
    labels: dict[str, str]
    service_account: str
    deployment: str
    """The workload's NAME.NAMESPACE; a bare pod's own."""
    version: str
    """Its `version` label, or empty."""
    ports: tuple[int, ...]
    """Where it listens: on what it declares, or else where services lead to."""
    named_ports: dict[str, int] = field(default_factory=dict)
    sidecar: bool
    gateway: bool
    dns_capture: bool = False
    """Whether the proxy answers the workload's DNS queries."""
    locality: Locality = NOWHERE
    source: Object | None = None

    @property
    def ref(self) -> str:
        """Return NAME.NAMESPACE."""
        return f"{self.name}.{self.namespace}"

    @property
    def proxied(self) -> bool:
        """Say whether there is a proxy that wants configuration."""
        return self.sidecar or self.gateway


def pods(manifests: Manifests, config: MeshConfig, known: Mapping[str, str]) -> tuple[Pod, ...]:
    """Return the pods of all workloads, and of the ingress gateway unless it is declared.

    `known` are addresses given before, by NAME.NAMESPACE.
    """
    injected = _injected(manifests)
    localities = _localities(manifests)
    drafts: dict[str, dict[str, Any]] = {}
    for kind in _WORKLOADS:
        for workload in manifests.of(kind):
            drafts |= dict(_replicas(workload, injected))
    for bare in manifests.of("Pod"):
        draft = _draft(bare, bare.spec, bare.labels, bare.annotations, injected)
        drafts[f"{bare.name}.{bare.namespace}"] = {**draft, "name": bare.name}
    ingress = f"{INGRESS}.{names.ROOT_NAMESPACE}"
    if not any(draft["deployment"] == ingress for draft in drafts.values()):
        drafts[f"{INGRESS}-0.{names.ROOT_NAMESPACE}"] = _ingress(ingress)
    given = {ref: draft.pop("given_ip") for ref, draft in drafts.items()}
    taken = [ip for ip in given.values() if ip]
    free = (ref for ref, ip in given.items() if not ip)
    wanted = _wanted_ports(manifests)
    ips = {ref: ip for ref, ip in given.items() if ip} | addresses.allot(
        free, addresses.PODS, known=known, taken=taken
    )
    found = []
    for ref in sorted(drafts):
        draft = drafts[ref]
        draft["ports"] = draft["ports"] or wanted(draft)
        node = draft.pop("node")
        label = draft["labels"].get("istio-locality", "").replace(".", "/")
        locality = Locality.parse(label) if label else localities.get(node, NOWHERE)
        metadata = {**_metadata(config.default_config), **_metadata(draft.pop("proxy_config"))}
        found.append(
            Pod(
                ip=ips[ref],
                locality=locality,
                dns_capture=str(metadata.get(_DNS_CAPTURE, "")).lower() in {"true", "1"},
                **draft,
            )
        )
    return tuple(found)


def _wanted_ports(manifests: Manifests) -> Callable[[Mapping[str, Any]], tuple[int, ...]]:
    """Return what tells the ports of a pod that declares none: those that services lead to."""
    services = [each for each in manifests.of("Service") if each.spec.selector]

    def wanted(draft: Mapping[str, Any]) -> tuple[int, ...]:
        labels = draft["labels"].items()
        found = {
            port.target_port or port.port
            for each in services
            if each.namespace == draft["namespace"] and each.spec.selector.items() <= labels
            for port in each.spec.ports or ()
        }
        return tuple(sorted(number for number in found if isinstance(number, int)))

    return wanted


def _replicas(
    workload: Object, injected: Mapping[str, bool]
) -> Iterator[tuple[str, dict[str, Any]]]:
    template = workload.spec.template
    metadata = template.metadata
    labels = dict(metadata.labels or {}) if metadata else {}
    annotations = dict(metadata.annotations or {}) if metadata else {}
    draft = _draft(workload, template.spec, labels, annotations, injected)
    count = getattr(workload.spec, "replicas", None)
    for number in range(1 if count is None else count):
        name = f"{workload.name}-{number}"
        # Each replica owns its mappings: drafts are taken apart later.
        yield f"{name}.{workload.namespace}", {**draft, "name": name}


def _draft(
    source: Object,
    spec: Any,  # noqa: ANN401 - a PodSpec
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    injected: Mapping[str, bool],
) -> dict[str, Any]:
    declared = [port for container in spec.containers or () for port in container.ports or ()]
    gateway = "gateway" in annotations.get(_TEMPLATES, "") or labels.get("istio") == (
        "ingressgateway"
    )
    wanted = labels.get(_INJECT) or annotations.get(_INJECT)
    sidecar = not gateway and not getattr(spec, "host_network", False)
    if wanted in {"true", "false"}:
        sidecar = sidecar and wanted == "true"
    else:
        sidecar = sidecar and injected.get(source.namespace, False)
    return {
        "namespace": source.namespace,
        "labels": dict(labels),
        "service_account": spec.service_account_name or "default",
        "deployment": f"{source.name}.{source.namespace}",
        "version": labels.get("version", ""),
        "ports": tuple(sorted({port.container_port for port in declared})),
        "named_ports": {port.name: port.container_port for port in declared if port.name},
        "sidecar": sidecar and source.namespace not in _NEVER_INJECTED,
        "gateway": gateway,
        "node": getattr(spec, "node_name", None) or "",
        "given_ip": "",
        "proxy_config": _proxy_config(annotations),
        "source": source,
    }


def _proxy_config(annotations: Mapping[str, str]) -> dict[str, Any]:
    found, _ = documents(_PROXY_CONFIG, annotations.get(_PROXY_CONFIG, ""))
    value = found[0].value if found else {}
    return value if isinstance(value, dict) else {}


def _metadata(proxy_config: Mapping[str, Any]) -> dict[str, Any]:
    found = proxy_config.get("proxyMetadata")
    return found if isinstance(found, dict) else {}


def _ingress(deployment: str) -> dict[str, Any]:
    return {
        "name": f"{INGRESS}-0",
        "namespace": names.ROOT_NAMESPACE,
        "labels": {"app": INGRESS, "istio": "ingressgateway"},
        "service_account": f"{INGRESS}-service-account",
        "deployment": deployment,
        "version": "",
        "ports": (8080, 8443, 15021),
        "named_ports": {},
        "sidecar": False,
        "gateway": True,
        "node": "",
        "given_ip": "",
        "proxy_config": {},
        "source": None,
    }


def _injected(manifests: Manifests) -> dict[str, bool]:
    found = {"default": True}
    for each in manifests.of("Namespace"):
        switch = each.labels.get("istio-injection")
        revision = each.labels.get("istio.io/rev")
        found[each.name] = switch == "enabled" or (switch is None and revision is not None)
    return found


def _localities(manifests: Manifests) -> dict[str, Locality]:
    return {
        each.name: Locality(
            each.labels.get("topology.kubernetes.io/region", ""),
            each.labels.get("topology.kubernetes.io/zone", ""),
            each.labels.get("topology.istio.io/subzone", ""),
        )
        for each in manifests.of("Node")
    }
