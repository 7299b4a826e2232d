"""A host as a balancer sees it: an endpoint, and how busy this proxy keeps it."""

from __future__ import annotations

from simulator.envoy.cluster import Endpoint


class Host:
    """An endpoint with what changes while the proxy runs.

    It survives updates of its cluster as long as its address stays.
    """

    __slots__ = ("active", "endpoint")

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.active = 0
        """Requests under way to it, from this proxy."""
