"""The ServiceEntry as written.

Follows   istio.io/api networking/v1alpha3/service_entry.proto
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from simulator.config.istio.selector import WorkloadSelector
from simulator.config.istio.workload import WorkloadEntry
from simulator.config.model import PortNumber, Spec, Text, only_one, refusal, unique

_TAKES_RANGES = frozenset({"NONE", "STATIC"})


def _not_all(host: str) -> str:
    if host == "*":
        raise refusal("a service cannot be every host")
    return host


class ServicePort(Spec):
    """A port of a service beyond Kubernetes."""

    number: PortNumber
    protocol: Annotated[Text, Field(max_length=256)] = ""
    name: Annotated[Text, Field(max_length=256)]
    target_port: PortNumber | Literal[0] = 0


class ServiceEntry(Spec):
    """A service that Kubernetes does not know."""

    hosts: tuple[Annotated[Text, AfterValidator(_not_all)], ...] = Field(
        min_length=1, max_length=256
    )
    addresses: tuple[Annotated[Text, Field(max_length=64)], ...] = Field(default=(), max_length=256)
    ports: Annotated[
        tuple[ServicePort, ...], Field(max_length=256), unique("name"), unique("number")
    ] = ()
    location: Literal["MESH_EXTERNAL", "MESH_INTERNAL"] = "MESH_EXTERNAL"
    resolution: Literal["NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"] = "NONE"
    endpoints: tuple[WorkloadEntry, ...] = Field(default=(), max_length=4096)
    workload_selector: WorkloadSelector | None = None
    export_to: tuple[Text, ...] = ()
    subject_alt_names: tuple[Text, ...] = ()

    endpoints_from = only_one("workload_selector", "endpoints")

    @model_validator(mode="after")
    def _fitting_resolution(self) -> ServiceEntry:
        if self.resolution not in _TAKES_RANGES and any("/" in each for each in self.addresses):
            raise refusal("address ranges need the resolution NONE or STATIC", "addresses")
        if self.resolution == "NONE" and "endpoints" in self.model_fields_set:
            raise refusal("the resolution NONE takes no endpoints", "endpoints")
        if self.resolution == "DNS_ROUND_ROBIN" and len(self.endpoints) > 1:
            raise refusal("the resolution DNS_ROUND_ROBIN takes one endpoint", "endpoints[1]")
        return self
