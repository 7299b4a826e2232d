"""Turn Gateway API objects into Istio's own, and say what became of each.

What is made stands beside what was written: Gateways, VirtualServices, DestinationRules,
marked by annotations, each part knowing the manifest that it comes from.

Follows   istio pilot/pkg/config/kube/gateway/controller.go
Leaves    UDPRoutes, InferencePools (docs/fidelity.md#gateway-api)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from simulator.config.kinds import KUBERNETES_GATEWAY
from simulator.config.nodes import Borrowed, Positions
from simulator.config.objects import Manifests, Object
from simulator.istiod.gateway_api import http_rules, routes
from simulator.istiod.gateway_api.addresses import Addressed, addressed
from simulator.istiod.gateway_api.classes import CONTROLLERS, Controller, deployed_name, managed
from simulator.istiod.gateway_api.listeners import (
    Bound,
    Listening,
    allows_sets,
    istio_gateways,
    listening,
)
from simulator.istiod.gateway_api.parents import Attachment, attachments, statuses
from simulator.istiod.gateway_api.policies import Rule, policies
from simulator.istiod.gateway_api.references import World
from simulator.istiod.gateway_api.status import Condition, Fault, Status, condition
from simulator.istiod.gateway_api.tls import certificate
from simulator.istiod.service import Service
from simulator.istiod.virtual_service import SEMANTICS

_API_VERSION = "networking.istio.io/v1"
PARENTS = "internal.istio.io/parents"


@dataclass(frozen=True, slots=True, kw_only=True)
class Translated:
    """The manifests with what was made of them, and the status of each Gateway API object."""

    manifests: Manifests
    statuses: tuple[Status, ...] = ()


def translate(manifests: Manifests, services: Mapping[str, Service]) -> Translated:
    """Return Istio's own objects for those of Gateway API."""
    world = World(manifests=manifests, services=services)
    run = _Translation(world)
    made = [*run.gateways(), *run.routes(), *run.rules()]
    first = len(manifests.objects)
    numbered = [replace(each, index=first + at) for at, each in enumerate(made)]
    whole = replace(manifests, objects=(*manifests.objects, *numbered)) if made else manifests
    return Translated(manifests=whole, statuses=tuple(run.statuses()))


class _Translation:
    """One run: what earlier kinds leave for the later ones."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._listening: list[Listening] = []
        self._addressed: dict[str, Addressed] = {}
        self._refused: dict[str, Fault] = {}
        """ListenerSets that their Gateway does not take."""
        self._attached: dict[str, list[Attachment]] = {}
        self._told: list[Status] = []

    def gateways(self) -> Iterator[Object]:
        """Yield the Istio Gateway of each valid listener."""
        sets = self._sets()
        for source in self._world.manifests.of(KUBERNETES_GATEWAY):
            controller = self._world.controllers.get(source.spec.gateway_class_name)
            if controller is None:
                continue
            if not controller.programmed:
                self._told.append(_remote(source))
                continue
            where = addressed(source, controller)
            self._addressed[source.ref] = where
            if not where.services:
                self._listening.append(Listening(source=source, controller=controller))
                continue
            added = sets.get((source.namespace, source.name), [])
            found = listening(self._world, source, controller, added)
            self._listening.append(found)
            account = _account(source, controller)
            for bound, marks, spec in istio_gateways(found, where.services, account):
                yield _object("Gateway", bound.name, bound.source, marks, spec)

    def _sets(self) -> dict[tuple[str, str], list[Object]]:
        """Return the ListenerSets that each Gateway takes, oldest first."""
        found: dict[tuple[str, str], list[Object]] = {}
        written = (
            *self._world.manifests.of("ListenerSet"),
            *self._world.manifests.of("XListenerSet"),
        )
        for each in sorted(written, key=_age):
            parent = each.spec.parent_ref
            home = parent.namespace or each.namespace
            gateway = self._world.named(KUBERNETES_GATEWAY, home, parent.name)
            if gateway is None or parent.kind != "Gateway":
                continue
            class_name = gateway.spec.gateway_class_name
            controller = self._world.controllers.get(class_name)
            if controller is None:
                continue
            if not controller.listener_sets:
                message = f"gateways of the class {class_name} take no ListenerSets"
                self._refused[each.ref] = Fault("NotAllowed", message, "spec.parentRef")
            elif not allows_sets(self._world, gateway, each.namespace):
                message = (
                    f"the Gateway {home}/{parent.name} allows no ListenerSets of the namespace "
                    f"{each.namespace} in its allowedListeners"
                )
                self._refused[each.ref] = Fault("NotAllowed", message, "spec.parentRef")
            else:
                found.setdefault((home, parent.name), []).append(each)
        return found

    def routes(self) -> Iterator[Object]:
        """Yield the VirtualServices of all routes."""
        listeners = self._listeners()
        drafts: dict[str, list[routes.Draft]] = {}
        for kind in ("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute"):
            for route in self._world.manifests.of(kind):
                attached = attachments(self._world, route, listeners)
                self._attached[route.ref] = attached
                resolvers = routes.resolvers(self._world, route, attached)
                faults: dict[bool, Fault | None] = {}
                if kind in {"HTTPRoute", "GRPCRoute"}:
                    http = {}
                    for mesh, resolver in resolvers.items():
                        http[mesh], faults[mesh] = http_rules.convert(route, resolver)
                    found = routes.http_drafts(route, attached, http)
                    drafts.setdefault(kind, []).extend(found)
                else:
                    tcp = {}
                    for mesh, resolver in resolvers.items():
                        tcp[mesh], faults[mesh] = routes.tcp_rules(route, resolver)
                    write = {"TLSRoute": routes.tls_routes, "TCPRoute": routes.tcp_routes}
                    if kind in write:
                        for made in write[kind](route, attached, tcp):
                            yield _virtual_service(made)
                self._told.append(Status(source=route, parents=statuses(attached, faults)))
        for kind in sorted(drafts):
            for made in routes.merged(drafts[kind]):
                yield _virtual_service(made)

    def _listeners(self) -> dict[tuple[str, str, str], list[Bound]]:
        found: dict[tuple[str, str, str], list[Bound]] = {}
        for each in self._listening:
            for bound in each.parents:
                source = bound.source
                type_ = KUBERNETES_GATEWAY if source.kind == "Gateway" else "ListenerSet"
                found.setdefault((type_, source.namespace, source.name), []).append(bound)
        return found

    def rules(self) -> Iterator[Object]:
        """Yield the DestinationRules of all policies."""
        leading: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for ref, attached in self._attached.items():
            gateways = {
                (each.bound.gateway.namespace, each.bound.gateway.name)
                for each in attached
                if each.bound is not None
            }
            for target in self._backends(ref):
                known = leading.setdefault(target, [])
                known += [each for each in sorted(gateways) if each not in known]
        found, told = policies(self._world, leading)
        self._told += told
        for each in found:
            yield _destination_rule(each)

    def _backends(self, ref: str) -> Iterator[tuple[str, str]]:
        route = next(each.source for each in self._told if each.source.ref == ref)
        for rule in route.spec.rules:
            for each in rule.backend_refs:
                yield each.namespace or route.namespace, each.name

    def statuses(self) -> Iterator[Status]:
        """Yield the status of every object that istiod has something to say of."""
        for each in self._world.manifests.of("GatewayClass"):
            if each.spec.controller_name in CONTROLLERS:
                message = "istiod looks after gateways of this class"
                yield Status(
                    source=each, conditions=(condition("Accepted", None, message=message),)
                )
        counts = self._counts()
        for found in self._listening:
            yield self._gateway_status(found, counts)
            yield from self._set_statuses(found, counts)
        for ref, fault in self._refused.items():
            source = next(each for each in self._world.manifests.objects if each.ref == ref)
            conditions = (condition("Accepted", fault), condition("Programmed", fault))
            yield Status(source=source, conditions=conditions)
        yield from self._told

    def _counts(self) -> dict[str, int]:
        """Return how many routes are attached to each listener."""
        found: dict[str, set[str]] = {}
        for ref, attached in self._attached.items():
            for each in attached:
                if each.denied is None and not each.mesh:
                    found.setdefault(each.internal, set()).add(ref)
        return {name: len(refs) for name, refs in found.items()}

    def _gateway_status(self, found: Listening, counts: Mapping[str, int]) -> Status:
        source = found.source
        where = self._addressed[source.ref]
        sets = sum(any(each.valid for each in group) for group in found.sets.values())
        programmed, addresses = where.programmed(
            self._world, [each.listener.port for each in found.servers]
        )
        return Status(
            source=source,
            conditions=(
                self._accepted(found, where),
                condition("Programmed", programmed),
                condition("ResolvedRefs", self._client_certificate(source)),
            ),
            listeners=tuple(each.status(counts.get(each.internal, 0)) for each in found.own),
            addresses=addresses,
            attached_sets=sets,
        )

    def _accepted(self, found: Listening, where: Addressed) -> Condition:
        fault = where.fault or self._parameters(found.source)
        valid = sum(each.valid for each in found.own)
        if fault is None and found.own and not valid:
            message = "none of its listeners is valid"
            fault = Fault("ListenersNotValid", message, "spec.listeners")
        if fault is None and valid < len(found.own):
            message = "some of its listeners are not valid"
            return condition("Accepted", None, reason="ListenersNotValid", message=message)
        return condition("Accepted", fault)

    def _parameters(self, source: Object) -> Fault | None:
        infrastructure = source.spec.infrastructure
        ref = infrastructure.parameters_ref if infrastructure is not None else None
        if ref is None:
            return None
        at = "spec.infrastructure.parametersRef"
        if (ref.group, ref.kind) != ("", "ConfigMap"):
            return Fault("InvalidParameters", f"{ref.kind} is no kind of parameters", at)
        if self._world.named("ConfigMap", source.namespace, ref.name) is None:
            message = f"there is no ConfigMap {source.namespace}/{ref.name}"
            return Fault("InvalidParameters", message, at)
        return None

    def _client_certificate(self, source: Object) -> Fault | None:
        settings = source.spec.tls
        backend = settings.backend if settings is not None else None
        if backend is None or backend.client_certificate_ref is None:
            return None
        at = "spec.tls.backend.clientCertificateRef"
        _, fault = certificate(self._world, source, backend.client_certificate_ref, at)
        if fault is not None and fault.reason == "InvalidCertificateRef":
            return replace(fault, reason="InvalidClientCertificateRef")
        return fault

    def _set_statuses(self, found: Listening, counts: Mapping[str, int]) -> Iterator[Status]:
        where = self._addressed[found.source.ref]
        written = {each.ref: each for each in self._world.manifests.objects}
        sets = dict(found.sets)
        if not where.services:
            sets = {each.ref: [] for each in self._sets().get(
                (found.source.namespace, found.source.name), []
            )}  # fmt: skip
        for ref, group in sets.items():
            fault = where.fault
            programmed, _ = where.programmed(
                self._world, [each.listener.port for each in group if not each.conflicting]
            )
            if group and not any(each.valid for each in group):
                message = "none of its listeners is valid"
                programmed = Fault("ListenersNotValid", message, "spec.listeners")
                fault = fault or programmed
            yield Status(
                source=written[ref],
                conditions=(condition("Accepted", fault), condition("Programmed", programmed)),
                listeners=tuple(each.status(counts.get(each.internal, 0)) for each in group),
            )


def _age(source: Object) -> tuple[str, str, str]:
    return source.created, source.namespace, source.name


def _account(source: Object, controller: Controller) -> str:
    if not managed(source.spec):
        return ""
    return source.annotations.get(
        "gateway.istio.io/service-account", deployed_name(source, controller)
    )


def _remote(source: Object) -> Status:
    message = "it stands in another cluster; istiod gives it no routes"
    return Status(
        source=source,
        conditions=(
            condition("Accepted", None),
            condition("Programmed", None, message=message),
        ),
        addresses=tuple(each.value for each in source.spec.addresses if each.value),
    )


def _object(
    kind: str,
    name: str,
    source: Object,
    annotations: Mapping[str, str],
    spec: object,
    positions: Positions | None = None,
) -> Object:
    return Object(
        kind=kind,
        api_version=_API_VERSION,
        name=name,
        namespace=source.namespace,
        annotations=dict(annotations),
        spec=spec,
        created=source.created,
        index=0,
        positions=positions or source.positions,
    )


def _virtual_service(made: routes.Generated) -> Object:
    annotations = {PARENTS: ",".join(made.parents), SEMANTICS: "gateway"}
    positions = Borrowed.of(made.source.positions, _borrowed(made.rules))
    return _object("VirtualService", made.name, made.source, annotations, made.spec, positions)


def _borrowed(rules: Sequence[http_rules.Converted]) -> Iterable[tuple[str, Positions, str]]:
    """Yield what stands behind each rule of a VirtualService, the innermost parts first."""
    for index, each in enumerate(rules):
        at = f"spec.http[{index}]"
        positions = each.source.positions
        for place, backend in enumerate(each.backends):
            yield f"{at}.route[{place}]", positions, backend
        yield f"{at}.match", positions, each.match_at
        yield at, positions, each.at


def _destination_rule(made: Rule) -> Object:
    annotations = {PARENTS: ",".join(made.parents)}
    return _object("DestinationRule", made.name, made.source, annotations, made.spec)
