"""Turn backend references into destinations; what is wrong with one is told, not raised.

Follows   istio pilot/pkg/config/kube/gateway/conversion.go (buildDestination)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from simulator.config.gateway_api.values import BackendObjectReference, BackendRef
from simulator.config.istio import Destination, PortSelector
from simulator.config.objects import Object
from simulator.istiod import names
from simulator.istiod.gateway_api.references import World
from simulator.istiod.gateway_api.status import Fault

NOWHERE = Destination.model_construct(host="")
"""Leads to no cluster: its share of requests is answered with 500."""
_SERVICE = ("", "Service")
_IMPORT = ("multicluster.x-k8s.io", "ServiceImport")
_HOSTNAME = ("networking.istio.io", "Hostname")
_TOLERATED = frozenset({"RefNotPermitted", "BackendNotFound", "InvalidKind"})
"""With such a backend the rule still stands; its other backends get their shares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolver:
    """Resolves the backends of one route."""

    world: World
    route: Object
    mesh: bool
    """In the mesh no grant is asked for: any proxy may call any service."""

    def destination(
        self, ref: BackendObjectReference, at: str
    ) -> tuple[Destination | None, Fault | None]:
        """Return where a reference leads; None where no rule can be made of it."""
        namespace = ref.namespace or self.route.namespace
        kind = (ref.group, ref.kind)
        world = self.world
        if not self.mesh and not world.granted(
            self.route.kind, self.route.namespace, ref.kind, namespace, ref.name
        ):
            message = (
                f"no ReferenceGrant lets a {self.route.kind} of {self.route.namespace} refer to "
                f"the {ref.kind} {namespace}/{ref.name}"
            )
            return NOWHERE, Fault("RefNotPermitted", message, at)
        if kind == _HOSTNAME:
            host = ref.name
        elif kind in {_SERVICE, _IMPORT}:
            host = names.service_host(ref.name, namespace)
        else:
            message = f"{ref.kind} of the group '{ref.group}' is no kind of backend here"
            return NOWHERE, Fault("InvalidKind", message, f"{at}.kind")
        wrong = _malformed(ref, kind, at)
        if wrong is not None:
            return None, wrong
        fault = None
        if not self._exists(kind, host):
            message = f"there is no service {host}"
            fault = Fault("BackendNotFound", message, f"{at}.name")
        port = PortSelector.model_construct(number=ref.port or 0)
        return Destination.model_construct(host=host, port=port), fault

    def _exists(self, kind: tuple[str, str], host: str) -> bool:
        service = self.world.services.get(host)
        return service is not None and (kind == _HOSTNAME or service.kubernetes)

    def weighted(
        self, refs: Sequence[BackendRef], at: str
    ) -> Iterator[tuple[int, BackendRef, Destination | None, int, Fault | None]]:
        """Yield each backend with a share: its place, destination, weight and fault.

        The weight of an only one is 0, which stands for all.
        """
        kept = [(index, each) for index, each in enumerate(refs) if each.weight]
        for index, each in kept:
            target, fault = self.destination(each, f"{at}.backendRefs[{index}]")
            yield index, each, target, each.weight if len(kept) > 1 else 0, fault


def _malformed(ref: BackendObjectReference, kind: tuple[str, str], at: str) -> Fault | None:
    if kind == _HOSTNAME and ref.namespace is not None:
        return Fault("InvalidDestination", "a Hostname has no namespace", f"{at}.namespace")
    if kind == _SERVICE and "." in ref.name:
        message = f"write the name of the Service, not the host {ref.name}"
        return Fault("InvalidDestination", message, f"{at}.name")
    if ref.port is None:
        return Fault("InvalidDestination", "a backend needs a port", at)
    return None


def tolerated(fault: Fault) -> bool:
    """Say whether a rule stands in spite of a backend's fault."""
    return fault.reason in _TOLERATED
