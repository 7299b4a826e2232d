"""Make runtime objects of xDS resources, once per content.

Equal resources share one object, so that a thousand proxies with the same cluster
hold it once. What Envoy would refuse raises `Rejected`.

Follows   envoy/source/common/router/config_impl.cc, source/common/listener_manager/listener_impl.cc
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from simulator.diagnostics import Diagnostic
from simulator.envoy.cluster import Cluster
from simulator.envoy.listener import Listener
from simulator.envoy.rejected import Rejected
from simulator.envoy.route import RouteTable

__all__ = ["Config", "Rejected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All that one proxy was told, ready to run."""

    listeners: Mapping[str, Listener]
    routes: Mapping[str, RouteTable]
    clusters: Mapping[str, Cluster]
    diagnostics: tuple[Diagnostic, ...] = ()
    """What is accepted but not simulated, each finding once."""
