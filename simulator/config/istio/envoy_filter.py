"""The EnvoyFilter as written: patches of what istiod sends.

Follows   istio.io/api networking/v1alpha3/envoy_filter.proto
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from simulator.config.istio.selector import TargetRefs, WorkloadSelector
from simulator.config.model import Int32, PortNumber, Spec, Text, UInt32, only_one, refusal


class ProxyMatch(Spec):
    """The proxies that a patch is for."""

    proxy_version: Text = ""
    metadata: dict[str, Text] = Field(default_factory=dict)


class ClusterMatch(Spec):
    """The clusters that a patch is for."""

    port_number: UInt32 = 0
    service: Text = ""
    subset: Text = ""
    name: Text = ""


class RouteMatch(Spec):
    """The routes that a patch is for."""

    name: Text = ""
    action: Literal["ANY", "ROUTE", "REDIRECT", "DIRECT_RESPONSE"] = "ANY"


class VirtualHostMatch(Spec):
    """The virtual hosts that a patch is for."""

    name: Text = ""
    route: RouteMatch | None = None
    domain_name: Text = ""


class RouteConfigurationMatch(Spec):
    """The route configurations that a patch is for."""

    port_number: UInt32 = 0
    port_name: Text = ""
    gateway: Text = ""
    vhost: VirtualHostMatch | None = None
    name: Text = ""


class SubFilterMatch(Spec):
    """A filter inside a filter: an HTTP filter."""

    name: Text = ""


class FilterMatch(Spec):
    """A network filter."""

    name: Text = ""
    sub_filter: SubFilterMatch | None = None


class FilterChainMatch(Spec):
    """The filter chains that a patch is for."""

    name: Text = ""
    sni: Text = ""
    transport_protocol: Text = ""
    application_protocols: Text = ""
    filter: FilterMatch | None = None
    destination_port: UInt32 = 0
    transport_socket: Text = ""


class ListenerMatch(Spec):
    """The listeners that a patch is for."""

    port_number: UInt32 = 0
    port_name: Text = ""
    filter_chain: FilterChainMatch | None = None
    listener_filter: Text = ""
    name: Text = ""


class WaypointRouteMatch(Spec):
    """The routes of a waypoint that a patch is for."""

    name: Text = ""


class WaypointMatch(Spec):
    """What of a waypoint a patch is for."""

    port_number: PortNumber | None = None
    filter: FilterMatch | None = None
    route: WaypointRouteMatch | None = None


class EnvoyConfigObjectMatch(Spec):
    """What a patch is for."""

    context: Literal["ANY", "SIDECAR_INBOUND", "SIDECAR_OUTBOUND", "GATEWAY", "WAYPOINT"] = "ANY"
    proxy: ProxyMatch | None = None
    listener: ListenerMatch | None = None
    route_configuration: RouteConfigurationMatch | None = None
    cluster: ClusterMatch | None = None
    waypoint: WaypointMatch | None = None

    one = only_one("listener", "route_configuration", "cluster", "waypoint")

    @model_validator(mode="after")
    def _waypoints_alone(self) -> EnvoyConfigObjectMatch:
        if (self.context == "WAYPOINT") != (self.waypoint is not None):
            raise refusal("`waypoint` goes with the context WAYPOINT, and with that alone")
        return self


class Patch(Spec):
    """What is done."""

    operation: Literal[
        "INVALID",
        "MERGE",
        "ADD",
        "REMOVE",
        "INSERT_BEFORE",
        "INSERT_AFTER",
        "INSERT_FIRST",
        "REPLACE",
        "MERGE_AND_REPLACE_LIST",
    ] = "INVALID"
    value: dict[str, Any] | None = None
    filter_class: Literal["UNSPECIFIED", "AUTHN", "AUTHZ", "STATS"] = "UNSPECIFIED"


class EnvoyConfigObjectPatch(Spec):
    """One patch."""

    apply_to: Literal[
        "INVALID",
        "LISTENER",
        "FILTER_CHAIN",
        "NETWORK_FILTER",
        "HTTP_FILTER",
        "ROUTE_CONFIGURATION",
        "VIRTUAL_HOST",
        "HTTP_ROUTE",
        "CLUSTER",
        "EXTENSION_CONFIG",
        "BOOTSTRAP",
        "LISTENER_FILTER",
    ] = "INVALID"
    match: EnvoyConfigObjectMatch | None = None
    patch: Patch | None = None


class EnvoyFilter(Spec):
    """Patches, in their order."""

    workload_selector: WorkloadSelector | None = None
    target_refs: TargetRefs = ()
    config_patches: tuple[EnvoyConfigObjectPatch, ...] = ()
    priority: Int32 = 0

    target = only_one("workload_selector", "target_refs")
