"""Give a host that is new less than its share, and more with time.

Models    Cluster.SlowStartConfig
Follows   envoy/source/extensions/load_balancing_policies/common/load_balancer_impl.cc
          (applySlowStartFactor)
"""

from __future__ import annotations

from simulator.envoy.balance.host import Host
from simulator.envoy.cluster import Health, SlowStart

_MILLISECOND = 1_000_000


def factor(slow: SlowStart, host: Host, now: int) -> float:
    """Return which part of its weight a host has at a time."""
    age_ms = (now - host.since_ns) // _MILLISECOND
    window_ms = slow.window_ns // _MILLISECOND
    if host.health is not Health.HEALTHY or age_ms >= window_ms:
        return 1.0
    elapsed = max(1, age_ms) / window_ms
    grown = elapsed if slow.aggression == 1.0 else float(elapsed ** (1.0 / slow.aggression))
    return max(grown, slow.min_weight_percent / 100.0)
