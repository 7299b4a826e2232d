"""A cluster as it runs: its endpoints, its policies and its limits.

Models    envoy.config.cluster.v3.Cluster, envoy.config.endpoint.v3.ClusterLoadAssignment
Follows   envoy/source/common/upstream/upstream_impl.cc
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Health(StrEnum):
    """Whether an endpoint may be given requests."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One host of a cluster."""

    address: str
    port: int
    weight: int = 1
    health: Health = Health.HEALTHY
    locality: str = ""
    """`region/zone/subzone`, empty where none is given."""
    priority: int = 0
    hostname: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict, compare=False)
    field_path: str = field(default="", compare=False)
    """Where it stands in its resource: `endpoints[0].lb_endpoints[1]`."""

    @property
    def key(self) -> str:
        """Return `ip:port`."""
        return f"{self.address}:{self.port}"
