"""The MeshConfig as written: what holds for the whole mesh.

What decides nothing in a simulated mesh is accepted by name and dropped.

Follows   istio.io/api mesh/v1alpha1/config.proto, istio pkg/config/mesh (DefaultMeshConfig)
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from simulator.config.istio.destination_rule import (
    ConnectionPoolSettings,
    LocalityLbSetting,
    OutlierDetection,
    TcpKeepalive,
)
from simulator.config.istio.extension_provider import ExtensionProvider
from simulator.config.istio.virtual_service import HTTPRetry
from simulator.config.kubernetes import Kubernetes
from simulator.config.model import Bool, Duration, Spec, Text

_CONNECT_TIMEOUT_NS = 10_000_000_000
_DNS_REFRESH_NS = 60_000_000_000


class MeshOutboundTrafficPolicy(Spec):
    """What becomes of traffic to hosts that the mesh does not know."""

    mode: Literal["REGISTRY_ONLY", "ALLOW_ANY", "ALLOW_ANY_DYNAMIC_DNS"] = "ALLOW_ANY"


class DefaultTrafficPolicy(Spec):
    """Blocks for destinations whose DestinationRule leaves them out."""

    connection_pool: ConnectionPoolSettings | None = None
    outlier_detection: OutlierDetection | None = None


class ProxyPathNormalization(Spec):
    """How servers read paths before policies see them."""

    normalization: Literal[
        "DEFAULT", "NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"
    ] = "DEFAULT"


class MeshConfig(Kubernetes):
    """What holds for every proxy of the mesh."""

    also = (
        "ca caCertificates certificates configSources disableEnvoyListenerLog "
        "disableMixerHttpReports discoverySelectors enableEnvoyAccessLogService "
        "enableIstioMutualCredential enablePrometheusMerge inboundClusterStatName "
        "inboundTrafficPolicy ingressControllerMode ingressSelector ingressService meshMTLS "
        "mixerAddress outboundClusterStatName proxyHttpPort proxyInboundListenPort "
        "proxyListenPort reportBatchMaxEntries reportBatchMaxTime serviceScopeConfigs "
        "serviceSettings sidecarToTelemetrySessionAffinity thriftConfig tlsDefaults "
        "verifyCertificateAtClient"
    )

    access_log_encoding: Literal["TEXT", "JSON"] = "TEXT"
    access_log_file: Text = ""
    access_log_format: Text = ""
    connect_timeout_ns: Duration = _CONNECT_TIMEOUT_NS
    default_config: dict[str, Any] = Field(default_factory=dict)
    """A ProxyConfig."""
    default_destination_rule_export_to: tuple[Text, ...] = ()
    default_http_retry_policy: HTTPRetry | None = None
    default_inbound_http_retry_policy: HTTPRetry | None = None
    default_service_export_to: tuple[Text, ...] = ()
    default_traffic_policy: DefaultTrafficPolicy | None = None
    default_virtual_service_export_to: tuple[Text, ...] = ()
    dns_refresh_rate_ns: Duration = _DNS_REFRESH_NS
    enable_auto_mtls: Bool = True
    enable_tracing: Bool = False
    default_providers: dict[str, Any] = Field(default_factory=dict)
    """Providers for Telemetries that name none, by what they keep."""
    extension_providers: tuple[ExtensionProvider, ...] = ()
    h2_upgrade_policy: Literal["DO_NOT_UPGRADE", "UPGRADE"] = "DO_NOT_UPGRADE"
    ingress_class: Text = "istio"
    locality_lb_setting: LocalityLbSetting | None = None
    outbound_traffic_policy: MeshOutboundTrafficPolicy = MeshOutboundTrafficPolicy()
    path_normalization: ProxyPathNormalization = ProxyPathNormalization()
    protocol_detection_timeout_ns: Duration = 0
    root_namespace: Text = "istio-system"
    tcp_keepalive: TcpKeepalive | None = None
    trust_domain: Text = "cluster.local"
    trust_domain_aliases: tuple[Text, ...] = ()


class IstioOperator(Kubernetes):
    """An installation; of it only the mesh's configuration counts here."""

    also = (
        "addonComponents compatibilityVersion components hub imagePullPolicy imagePullSecrets "
        "installPackagePath namespace profile resourceSuffix revision tag unvalidatedValues values"
    )

    mesh_config: MeshConfig | None = None
