"""Which gateways are istiod's: classes, and what their controllers do.

Follows   istio pilot/pkg/config/kube/gatewaycommon/{classinfo,gatewayclass_collection}.go
Leaves    waypoints and east-west gateways beyond their status (docs/fidelity.md#ambient)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from simulator.config.gateway_api import Gateway
from simulator.config.kinds import KUBERNETES_GATEWAY
from simulator.config.objects import Manifests, Object
from simulator.istiod.gateway_api.status import GATEWAY_CONTROLLER, MESH_CONTROLLER

_UNMANAGED = "istio.io/unmanaged-gateway"
_EAST_WEST = "istio.io/eastwest-controller"


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """How gateways of some classes are treated."""

    name: str
    listener_sets: bool = False
    """Whether ListenerSets may add to them."""
    suffix: bool = False
    """Whether what is deployed for them has the class in its name."""
    programmed: bool = True
    """Whether istiod gives them routes at all."""
    routed: bool = True
    """Whether their listeners become Istio Gateways."""


CONTROLLERS = {
    each.name: each
    for each in (
        Controller(name=GATEWAY_CONTROLLER, listener_sets=True, suffix=True),
        Controller(name=_UNMANAGED, programmed=False),
        Controller(name=MESH_CONTROLLER, routed=False),
        Controller(name=_EAST_WEST),
    )
}
_BUILT_IN = {
    "istio": GATEWAY_CONTROLLER,
    "istio-remote": _UNMANAGED,
    "istio-waypoint": MESH_CONTROLLER,
    "istio-east-west": _EAST_WEST,
}
TUNNEL_PORT = 15008
"""Where waypoints and east-west gateways take HBONE."""


def controllers(manifests: Manifests) -> Mapping[str, Controller]:
    """Return istiod's controllers by the classes that they look after."""
    found = dict(_BUILT_IN)
    found |= {each.name: each.spec.controller_name for each in manifests.of("GatewayClass")}
    return {name: CONTROLLERS[each] for name, each in found.items() if each in CONTROLLERS}


def managed(gateway: Gateway) -> bool:
    """Say whether istiod deploys the gateway; else it stands behind the Services it names."""
    if not gateway.addresses:
        return True
    return len(gateway.addresses) == 1 and gateway.addresses[0].type == "IPAddress"


def deployed_name(source: Object, controller: Controller) -> str:
    """Return the name of what istiod deploys for a gateway."""
    chosen = source.annotations.get("gateway.istio.io/name-override")
    if chosen:
        return chosen
    return f"{source.name}-{source.spec.gateway_class_name}" if controller.suffix else source.name


def foreign_waypoint(manifests: Manifests, parent: Object) -> bool:
    """Say whether a service is behind a waypoint that another controller looks after."""
    name = parent.labels.get("istio.io/use-waypoint", "")
    home = parent.labels.get("istio.io/use-waypoint-namespace", parent.namespace)
    known = controllers(manifests)
    return any(
        each.spec.gateway_class_name not in known
        for each in manifests.of(KUBERNETES_GATEWAY)
        if (each.name, each.namespace) == (name, home)
    )
