"""Gateway API in istiod: gateways deployed, objects translated into Istio's, status told."""

from __future__ import annotations

from simulator.istiod.gateway_api.deployment import deployed
from simulator.istiod.gateway_api.status import (
    Condition,
    ListenerStatus,
    ParentStatus,
    Reference,
    Status,
)
from simulator.istiod.gateway_api.translate import Translated, translate

__all__ = [
    "Condition",
    "ListenerStatus",
    "ParentStatus",
    "Reference",
    "Status",
    "Translated",
    "deployed",
    "translate",
]
