"""What is under way to a cluster in one routing priority, and how much may be.

Models    Cluster.circuit_breakers
Follows   envoy/source/common/upstream/resource_manager_impl.h
"""

from __future__ import annotations

from simulator.envoy.cluster import Thresholds


class Resources:
    """The counts that circuit breakers look at."""

    __slots__ = ("connections", "limits", "pending", "requests", "retries")

    def __init__(self, limits: Thresholds) -> None:
        self.limits = limits
        self.connections = 0
        """Open connections, idle ones included."""
        self.pending = 0
        """Requests that wait for a connection."""
        self.requests = 0
        """Attempts under way."""
        self.retries = 0
        """Retries decided on and not yet answered; their back-off counts."""

    def allows_retry(self) -> bool:
        """Say whether the circuit breaker lets one more retry through."""
        return self.limits.allows_retry(self.retries, self.requests + self.pending)
