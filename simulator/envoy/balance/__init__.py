"""Choose an endpoint of a cluster.

`Balancer` is one cluster's, in one proxy: first a priority (`priority.share`), then the
hosts of it that may serve (all, or a locality's: `locality`), then one of them by the
cluster's policy: by turns or weights (`edf.Scheduler`), by load, by hash (`consistent`) or
at random. `SubsetBalancer` has one `Balancer` for each subset that metadata makes.
"""

from __future__ import annotations

from simulator.envoy.balance.balancer import Balancer, Pick
from simulator.envoy.balance.context import Context
from simulator.envoy.balance.host import Host
from simulator.envoy.balance.subset import SubsetBalancer
from simulator.envoy.balance.zone import Home

__all__ = ["Balancer", "Context", "Home", "Host", "Pick", "SubsetBalancer"]
