"""What a control plane sends to one proxy: the contract between istiod and Envoy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """The xDS resources of one proxy, as messages of `simulator.envoy_api`, sorted by name."""

    listeners: tuple[Any, ...] = ()
    """envoy.config.listener.v3.Listener"""
    routes: tuple[Any, ...] = ()
    """envoy.config.route.v3.RouteConfiguration"""
    clusters: tuple[Any, ...] = ()
    """envoy.config.cluster.v3.Cluster"""
    endpoints: tuple[Any, ...] = ()
    """envoy.config.endpoint.v3.ClusterLoadAssignment"""
    secrets: tuple[Any, ...] = ()
    """envoy.extensions.transport_sockets.tls.v3.Secret"""

    def by_kind(self) -> dict[str, tuple[Any, ...]]:
        """Return the resources by the name that the command line gives each kind."""
        return {
            "listeners": self.listeners,
            "routes": self.routes,
            "clusters": self.clusters,
            "endpoints": self.endpoints,
            "secrets": self.secrets,
        }
