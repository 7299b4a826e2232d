"""How the hosts of a cluster are to be asked how they are.

Models    envoy.config.core.v3.HealthCheck
Leaves    payloads that are sent and looked for, several checks of one cluster, checkers that
          are extensions, the log of events (docs/fidelity.md#health-checks)
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from simulator.envoy.mutation import NO_MUTATIONS, Mutations

NO_TRAFFIC_NS = 60_000_000_000


class Kind(StrEnum):
    """What a check is."""

    HTTP = "http"
    TCP = "tcp"
    GRPC = "grpc"


Range = tuple[int, int]
"""Statuses, from the first up to the second, exclusive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """One way to ask; names and defaults are Envoy's."""

    kind: Kind
    timeout_ns: int
    interval_ns: int
    unhealthy_threshold: int
    healthy_threshold: int
    initial_jitter_ns: int = 0
    interval_jitter_ns: int = 0
    interval_jitter_percent: int = 0
    no_traffic_interval_ns: int = NO_TRAFFIC_NS
    no_traffic_healthy_interval_ns: int = NO_TRAFFIC_NS
    unhealthy_interval_ns: int
    unhealthy_edge_interval_ns: int
    healthy_edge_interval_ns: int
    path: str = ""
    host: str = ""
    """The authority; an endpoint's own counts first, the cluster's name last."""
    method: str = "GET"
    headers: Mutations = NO_MUTATIONS
    expected: tuple[Range, ...] = ((200, 201),)
    retriable: tuple[Range, ...] = ()
