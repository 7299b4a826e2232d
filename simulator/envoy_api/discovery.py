"""What a proxy and its control plane say to each other on an xDS stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

TYPE_URLS = {
    "clusters": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "endpoints": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    "listeners": "type.googleapis.com/envoy.config.listener.v3.Listener",
    "routes": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
    "secrets": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
}
"""By kind, in the order of a push: a resource comes before what names it."""

KINDS = {url: kind for kind, url in TYPE_URLS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A DiscoveryRequest: a subscription, an ACK or a NACK."""

    type_url: str
    version: str = ""
    """The version that the proxy holds; the last one that it accepted."""
    nonce: str = ""
    """Of the response that this answers; empty for the first request of a kind."""
    names: tuple[str, ...] = ()
    error: str | None = None
    """Why the response was refused: then this is a NACK."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A DiscoveryResponse to send."""

    kind: str
    version: str
    nonce: str
    resources: tuple[Any, ...]

    @property
    def type_url(self) -> str:
        """Return the type URL of the kind."""
        return TYPE_URLS[self.kind]


def resource_name(kind: str, resource: Any) -> str:  # noqa: ANN401 - a message made at run time
    """Return what a resource of a kind is called by those who ask for it."""
    return str(resource.cluster_name if kind == "endpoints" else resource.name)
