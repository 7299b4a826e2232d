"""Write the listener of a sidecar that captures what its workload sends.

Models    envoy.config.listener.v3.Listener
Follows   istio pilot/pkg/networking/core/listener_builder.go
"""

from __future__ import annotations

from simulator.istiod import names
from simulator.istiod.http_chain import to_cluster
from simulator.istiod.part import Part, address, wrapped
from simulator.istiod.scope import Scope
from simulator.istiod.service import UNSPECIFIED
from simulator.istiod.telemetry import Side, listener_logs

OUTBOUND_PORT = 15001
VIRTUAL_OUTBOUND = "virtualOutbound"


def catch_all_cluster(scope: Scope) -> str:
    """Return where traffic goes that the mesh does not know."""
    return names.PASSTHROUGH if scope.allow_any else names.BLACK_HOLE


def virtual_outbound(scope: Scope) -> Part:
    """Return the listener that gets all outgoing connections and hands them on by address."""
    part = Part(
        value={
            "name": VIRTUAL_OUTBOUND,
            "address": address(UNSPECIFIED, OUTBOUND_PORT),
            "use_original_dst": wrapped(value=True),
            "traffic_direction": "OUTBOUND",
            "access_log": listener_logs(scope.mesh, scope.pod, "CLIENT"),
        }
    )
    catch_all = Part(
        value={
            "name": f"{VIRTUAL_OUTBOUND}-catchall-tcp",
            "filters": [to_cluster(scope, catch_all_cluster(scope))],
        }
    )
    if scope.sidecar is not None:
        catch_all.note("", scope.sidecar, "spec.outboundTrafficPolicy")
    part.list("filter_chains", [black_hole(scope, VIRTUAL_OUTBOUND, OUTBOUND_PORT), catch_all])
    return part


def black_hole(scope: Scope, listener: str, port: int, side: Side = "CLIENT") -> Part:
    """Return the chain for connections to the listener's own port, which would loop for ever."""
    return Part(
        value={
            "name": f"{listener}-blackhole",
            "filter_chain_match": {"destination_port": wrapped(port)},
            "filters": [to_cluster(scope, names.BLACK_HOLE, side)],
        }
    )
