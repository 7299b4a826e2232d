"""Find the Services before a gateway, and which of its ports they have.

Follows   istio pilot/pkg/model/context.go (ResolveGatewayInstances),
          pilot/pkg/config/kube/gateway/conversion.go (extractGatewayServices)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from simulator.config.objects import Object
from simulator.istiod import names
from simulator.istiod.gateway_api.classes import Controller, deployed_name, managed
from simulator.istiod.gateway_api.references import World
from simulator.istiod.gateway_api.status import Fault
from simulator.istiod.service import UNSPECIFIED


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressed:
    """The Services before a gateway, by host, and what is wrong with its addresses."""

    services: tuple[str, ...]
    fault: Fault | None = None

    def programmed(
        self, world: World, ports: Iterable[int]
    ) -> tuple[Fault | None, tuple[str, ...]]:
        """Return why it is not reached at some ports, and the addresses that reach it."""
        if not self.services:
            return Fault("UnsupportedAddress", "no address can be given to it"), ()
        wanted = sorted(set(ports))
        wrong: list[str] = []
        found: list[str] = []
        for host in self.services:
            service = world.services.get(host)
            if service is None:
                wrong.append(f"there is no service {host}")
                continue
            missing = [each for each in wanted if service.port(each) is None]
            wrong += [f"the service {host} has no port {each}" for each in missing]
            if len(missing) < len(wanted) and service.ip not in {"", UNSPECIFIED}:
                found.append(service.ip)
        message = "; ".join(wrong)
        fault = Fault("AddressNotUsable", message, "spec.addresses") if wrong else None
        return fault, tuple(found)


def addressed(source: Object, controller: Controller) -> Addressed:
    """Return the Services before a gateway: its own, or those that it names."""
    if managed(source.spec):
        name = deployed_name(source, controller)
        return Addressed(services=(names.service_host(name, source.namespace),))
    services = []
    skipped = []
    for each in source.spec.addresses:
        if each.type != "Hostname":
            skipped.append(each.value or "")
        elif each.value:
            short = "." not in each.value
            host = names.service_host(each.value, source.namespace) if short else each.value
            services.append(host)
    fault = None
    if skipped:
        message = f"of several addresses only host names count, not {', '.join(skipped)}"
        fault = Fault("UnsupportedAddress", message, "spec.addresses")
    return Addressed(services=tuple(services), fault=fault)
