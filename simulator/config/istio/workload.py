"""WorkloadEntry and WorkloadGroup as written: workloads beyond Kubernetes.

Follows   istio.io/api networking/v1alpha3/{workload_entry,workload_group}.proto
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, Strict, model_validator

from simulator.config.model import PortNumber, Spec, Text, UInt32, only_one, refusal

_SOCKET = "unix://"
_PORT_NAME = re.compile(r"[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?")
_LONGEST_PORT_NAME = 62
_Count = Annotated[int, Strict(), Field(ge=0, lt=1 << 31)]


def _address(address: str) -> str:
    if address.startswith(_SOCKET):
        if address.removeprefix(_SOCKET)[:1] not in {"/", "@"}:
            raise refusal("a socket has an absolute path, or an abstract name after @")
        if address.endswith("/"):
            raise refusal("a socket is no folder")
    return address


def _port_names(ports: dict[str, int]) -> dict[str, int]:
    for name in ports:
        if len(name) > _LONGEST_PORT_NAME or not _PORT_NAME.fullmatch(name):
            raise refusal("'{name}' cannot name a port", name, name=name)
    return ports


class Workload(Spec):
    """An address and what is known of it; a WorkloadGroup's has none yet."""

    address: Annotated[Text, Field(max_length=256), AfterValidator(_address)] = ""
    ports: Annotated[dict[str, PortNumber], Field(max_length=128), AfterValidator(_port_names)] = (
        Field(default_factory=dict)
    )
    labels: Annotated[dict[str, Text], Field(max_length=256)] = Field(default_factory=dict)
    network: Annotated[Text, Field(max_length=2048)] = ""
    locality: Annotated[Text, Field(max_length=2048)] = ""
    weight: UInt32 = 0
    service_account: Annotated[Text, Field(max_length=253)] = ""

    @model_validator(mode="after")
    def _socket_without_ports(self) -> Workload:
        if self.address.startswith(_SOCKET) and "ports" in self.model_fields_set:
            raise refusal("a socket has no ports", "ports")
        return self


class WorkloadEntry(Workload):
    """A workload beyond Kubernetes; also an endpoint written into a ServiceEntry."""

    @model_validator(mode="after")
    def _somewhere(self) -> WorkloadEntry:
        if not {"address", "network"} & self.model_fields_set:
            raise refusal("it needs an address")
        return self


class WorkloadGroupMetadata(Spec):
    """What the entries of a group are labelled."""

    labels: Annotated[dict[str, Text], Field(max_length=256)] = Field(default_factory=dict)
    annotations: Annotated[dict[str, Text], Field(max_length=256)] = Field(default_factory=dict)


class HTTPHeader(Spec):
    """A header of a probe."""

    name: Annotated[Text, Field(pattern=r"^[-_A-Za-z0-9]+$")] = ""
    value: Text = ""


class HTTPHealthCheckConfig(Spec):
    """A probe by HTTP."""

    path: Text = ""
    port: PortNumber
    host: Text = ""
    scheme: Literal["", "HTTP", "HTTPS"] = ""
    http_headers: tuple[HTTPHeader, ...] = ()


class TCPHealthCheckConfig(Spec):
    """A probe by connecting."""

    host: Text = ""
    port: PortNumber


class ExecHealthCheckConfig(Spec):
    """A probe by a command."""

    command: tuple[Annotated[Text, Field(min_length=1)], ...]


class GrpcHealthCheckConfig(Spec):
    """A probe by gRPC's health service."""

    port: PortNumber | None = None
    service: Text = ""


class ReadinessProbe(Spec):
    """How the health of a workload is found out."""

    initial_delay_seconds: _Count = 0
    timeout_seconds: _Count = 0
    period_seconds: _Count = 0
    success_threshold: _Count = 0
    failure_threshold: _Count = 0
    http_get: HTTPHealthCheckConfig | None = None
    tcp_socket: TCPHealthCheckConfig | None = None
    exec: ExecHealthCheckConfig | None = None
    grpc: GrpcHealthCheckConfig | None = None

    method = only_one("http_get", "tcp_socket", "exec", "grpc")


class WorkloadGroup(Spec):
    """What the workloads of a group have in common."""

    metadata: WorkloadGroupMetadata | None = None
    template: Workload
    probe: ReadinessProbe | None = None
