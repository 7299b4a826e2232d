"""ServiceEntry and WorkloadEntry as written.

Follows   istio.io/api networking/v1alpha3/{service_entry,workload_entry}.proto
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from simulator.config.model import Spec, Text, UInt32


class ServicePort(Spec):
    """A port of a service beyond Kubernetes."""

    number: UInt32
    protocol: Text = ""
    name: Text
    target_port: UInt32 = 0


class WorkloadEntry(Spec):
    """A workload beyond Kubernetes; also an endpoint written into a ServiceEntry."""

    address: Text = ""
    ports: dict[str, UInt32] = Field(default_factory=dict)
    labels: dict[str, Text] = Field(default_factory=dict)
    network: Text = ""
    locality: Text = ""
    weight: UInt32 = 0
    service_account: Text = ""


class WorkloadSelector(Spec):
    """Labels that choose pods and WorkloadEntries."""

    labels: dict[str, Text] = Field(default_factory=dict)


class ServiceEntry(Spec):
    """A service that Kubernetes does not know."""

    hosts: tuple[Text, ...] = Field(min_length=1, max_length=256)
    addresses: tuple[Text, ...] = Field(default=(), max_length=256)
    ports: tuple[ServicePort, ...] = Field(default=(), max_length=256)
    location: Literal["MESH_EXTERNAL", "MESH_INTERNAL"] = "MESH_EXTERNAL"
    resolution: Literal["NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"] = "NONE"
    endpoints: tuple[WorkloadEntry, ...] = Field(default=(), max_length=4096)
    workload_selector: WorkloadSelector | None = None
    export_to: tuple[Text, ...] = ()
    subject_alt_names: tuple[Text, ...] = ()
