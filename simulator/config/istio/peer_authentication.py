"""The PeerAuthentication as written: which mutual TLS a workload asks for.

Follows   istio.io/api security/v1beta1/peer_authentication.proto
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from simulator.config.istio.selector import WorkloadMatcher
from simulator.config.model import Spec, refusal

_LARGEST_PORT = 65535


class MutualTLS(Spec):
    """What is asked of clients."""

    mode: Literal["UNSET", "DISABLE", "PERMISSIVE", "STRICT"] = "UNSET"


def _ports(settings: dict[str, MutualTLS]) -> dict[str, MutualTLS]:
    for port in settings:
        if not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= _LARGEST_PORT):
            raise refusal("a port lies between 1 and 65535", port)
    return settings


class PeerAuthentication(Spec):
    """Mutual TLS for a mesh, a namespace, workloads or single ports of theirs."""

    selector: WorkloadMatcher | None = None
    mtls: MutualTLS | None = None
    port_level_mtls: Annotated[
        dict[str, MutualTLS], Field(min_length=1), AfterValidator(_ports)
    ] = Field(default_factory=dict)
    """By the workload's port, its number as text."""

    @model_validator(mode="after")
    def _ports_of_workloads(self) -> PeerAuthentication:
        if self.port_level_mtls and not (self.selector and self.selector.match_labels):
            raise refusal("it needs a selector with labels beside it", "portLevelMtls")
        return self
