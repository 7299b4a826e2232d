"""The Sidecar as written: what the proxies of a namespace see and receive for.

Follows   istio.io/api networking/v1alpha3/sidecar.proto
"""

from __future__ import annotations

from typing import Literal

from simulator.config.istio.destination_rule import ConnectionPoolSettings
from simulator.config.istio.gateway import ServerTLSSettings
from simulator.config.istio.selector import WorkloadSelector
from simulator.config.istio.virtual_service import Destination
from simulator.config.model import Spec, Text, UInt32

CaptureMode = Literal["DEFAULT", "IPTABLES", "NONE"]


class SidecarPort(Spec):
    """A port of the proxy."""

    number: UInt32 = 0
    protocol: Text = ""
    name: Text = ""
    target_port: UInt32 = 0


class IstioIngressListener(Spec):
    """A port that the proxy receives on for its workload."""

    port: SidecarPort
    bind: Text = ""
    capture_mode: CaptureMode = "DEFAULT"
    default_endpoint: Text = ""
    tls: ServerTLSSettings | None = None
    connection_pool: ConnectionPoolSettings | None = None


class IstioEgressListener(Spec):
    """What the proxy sees, as NAMESPACE/HOST, perhaps on one port alone."""

    port: SidecarPort | None = None
    bind: Text = ""
    capture_mode: CaptureMode = "DEFAULT"
    hosts: tuple[Text, ...]


class OutboundTrafficPolicy(Spec):
    """What becomes of traffic to hosts that the mesh does not know."""

    mode: Literal["REGISTRY_ONLY", "ALLOW_ANY", "ALLOW_ANY_DYNAMIC_DNS"] = "REGISTRY_ONLY"
    egress_proxy: Destination | None = None


class Sidecar(Spec):
    """Limits of a proxy's view."""

    workload_selector: WorkloadSelector | None = None
    ingress: tuple[IstioIngressListener, ...] = ()
    egress: tuple[IstioEgressListener, ...] = ()
    outbound_traffic_policy: OutboundTrafficPolicy | None = None
    inbound_connection_pool: ConnectionPoolSettings | None = None
