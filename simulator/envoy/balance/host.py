"""A host as a balancer sees it: an endpoint, how busy this proxy keeps it, and how it is."""

from __future__ import annotations

from simulator.envoy.cluster import Endpoint, Health


class Host:
    """An endpoint with what changes while the proxy runs.

    It survives updates of its cluster as long as its address stays.
    """

    __slots__ = (
        "active", "connections", "degraded", "ejected", "endpoint", "excluded", "failed",
        "leaving", "opened", "pending", "since_ns", "timed_out",
    )  # fmt: skip

    def __init__(self, endpoint: Endpoint, now: int = 0) -> None:
        self.endpoint = endpoint
        self.active = 0
        """Requests under way to it, from this proxy."""
        self.connections = 0
        """Open ones."""
        self.opened = 0
        """All that ever were to be opened."""
        self.ejected = ""
        """Why outlier detection keeps it out; empty: it does not."""
        self.failed = ""
        """Why health checks keep it out; empty: they do not."""
        self.timed_out = False
        """Whether the last check of a host that is out found no answer in time."""
        self.degraded = False
        """Whether its last health check said so."""
        self.pending = False
        """Whether it counts for nothing until it was checked once."""
        self.excluded = False
        """Whether it has asked to count for nothing."""
        self.leaving = False
        """Whether it is gone from its assignment, and stays as long as its checks pass."""
        self.since_ns = now
        """When it came, or was last found healthy after it was not."""

    @property
    def health(self) -> Health:
        """Return whether it may be given requests."""
        if self.ejected or self.failed:
            return Health.UNHEALTHY
        if self.degraded and self.endpoint.health is Health.HEALTHY:
            return Health.DEGRADED
        return self.endpoint.health

    @property
    def status(self) -> str:
        """Return how it is, in the words of Envoy's HealthStatus."""
        if self.ejected or self.failed:
            return "UNHEALTHY"
        if self.endpoint.health is Health.HEALTHY and self.degraded:
            return "DEGRADED"
        return self.endpoint.status

    @property
    def counts(self) -> bool:
        """Return whether it counts when healthy hosts are compared with all."""
        return not (self.pending or self.excluded or self.endpoint.draining)
