"""Choose an endpoint of a cluster.

`Balancer` is one cluster's, in one proxy: first a priority (`priority.share`), then the
hosts of it that may serve, then one of them by the cluster's policy, by turns or weights
(`edf.Scheduler`), by load or at random.
"""

from __future__ import annotations

from simulator.envoy.balance.balancer import Balancer, Pick
from simulator.envoy.balance.host import Host

__all__ = ["Balancer", "Host", "Pick"]
