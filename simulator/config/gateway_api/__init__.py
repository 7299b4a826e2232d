"""Gateway API, as written: gateways, routes, grants and policies."""

from __future__ import annotations

from simulator.config.gateway_api.gateway import Gateway, GatewayClass, Listener, ListenerSet
from simulator.config.gateway_api.policies import (
    BackendTLSPolicy,
    ReferenceGrant,
    XBackendTrafficPolicy,
)
from simulator.config.gateway_api.routes import (
    GRPCRoute,
    HTTPRoute,
    TCPRoute,
    TCPRouteAlpha,
    TLSRoute,
    TLSRouteAlpha,
    UDPRoute,
    UDPRouteAlpha,
)
from simulator.config.gateway_api.values import EXPERIMENTAL, GROUP

__all__ = [
    "EXPERIMENTAL",
    "GROUP",
    "BackendTLSPolicy",
    "GRPCRoute",
    "Gateway",
    "GatewayClass",
    "HTTPRoute",
    "Listener",
    "ListenerSet",
    "ReferenceGrant",
    "TCPRoute",
    "TCPRouteAlpha",
    "TLSRoute",
    "TLSRouteAlpha",
    "UDPRoute",
    "UDPRouteAlpha",
    "XBackendTrafficPolicy",
]
