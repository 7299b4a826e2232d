"""A host as a balancer sees it: an endpoint, how busy this proxy keeps it, and how it is."""

from __future__ import annotations

from simulator.envoy.cluster import Endpoint, Health


class Host:
    """An endpoint with what changes while the proxy runs.

    It survives updates of its cluster as long as its address stays.
    """

    __slots__ = ("active", "ejected", "endpoint", "since_ns")

    def __init__(self, endpoint: Endpoint, now: int = 0) -> None:
        self.endpoint = endpoint
        self.active = 0
        """Requests under way to it, from this proxy."""
        self.ejected = ""
        """Why outlier detection keeps it out; empty: it does not."""
        self.since_ns = now
        """When it came, or was last found healthy after it was not."""

    @property
    def health(self) -> Health:
        """Return whether it may be given requests."""
        return Health.UNHEALTHY if self.ejected else self.endpoint.health
