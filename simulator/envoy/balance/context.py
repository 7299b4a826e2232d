"""What a request asks of a load balancer.

Follows   envoy/envoy/upstream/load_balancer.h (LoadBalancerContext)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.envoy.balance.host import Host

if TYPE_CHECKING:
    from simulator.envoy.upstream import Upstream


@dataclass(slots=True, kw_only=True)
class Context:
    """One choice of a host: what is known of the request, and what it wants."""

    now: int = 0
    hash: int | None = None
    """What the route's hash policy made of the request; `None`: nothing."""
    avoid: Collection[Host] = ()
    """Hosts that are passed over as long as a pick is left."""
    metadata: Mapping[str, Any] | None = None
    """What the endpoint's metadata is to be, where the cluster has subsets."""
    standing: tuple[int, bool] | None = None
    """A priority that is chosen already, and whether its degraded hosts are meant."""
    owner: Upstream | None = None
    """The cluster whose host it is, where one cluster is made of others."""
    missed: str = ""
    """Why there is no host, where subsets can say."""
    picks: int = 1
    """How often a host is picked at most; the last pick counts whichever it is."""
