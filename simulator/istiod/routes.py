"""Write the route configurations of a sidecar: which host, on which port, goes where.

Models    envoy.config.route.v3.RouteConfiguration
Follows   istio pilot/pkg/networking/core/httproute.go, route/route.go
          (BuildSidecarVirtualHostWrapper)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from simulator.istiod import names, route
from simulator.istiod.hash_policy import of_destination, of_service
from simulator.istiod.part import Part, duration, wrapped
from simulator.istiod.registry import Resolution, Service
from simulator.istiod.scope import Egress, Scope
from simulator.istiod.service import UNSPECIFIED, by_host
from simulator.istiod.virtual_service import VirtualService

_BODY_LIMIT = 1024 * 1024
_LEGACY_PORT = 80
"""The one port on which hosts outside the registry get routes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """Virtual hosts to come, all with the same routes."""

    routes: list[Part]
    hosts: tuple[str, ...] = ()
    """Beyond the registry."""
    services: tuple[Service, ...] = ()
    source: VirtualService | None = None


@dataclass(slots=True)
class _Domains:
    """What earlier virtual hosts of the same configuration have taken."""

    names: set[str] = field(default_factory=set)
    domains: set[str] = field(default_factory=set)


def sidecar_routes(scope: Scope, port: int) -> Part:
    """Return the configuration that all HTTP services on a port share."""
    part = configuration(str(port), sorted_hosts(virtual_hosts(scope, port)))
    catch_all = _catch_all(scope)
    part.value["virtual_hosts"].append(catch_all.value)
    at = len(part.value["virtual_hosts"]) - 1
    for path, place in catch_all.sources.items():
        part.sources[f"virtual_hosts[{at}]{path}"] = place
    return part


def sniffed_routes(scope: Scope, service: Service, port: int) -> Part:
    """Return the configuration of one service whose protocol is detected: any host is its own."""
    found = [
        each for each in virtual_hosts(scope, port) if service.hostname in each.value["domains"]
    ]
    if len(found) == 1:
        found = [Part(value={**found[0].value, "domains": ["*"]}, sources=found[0].sources)]
    return configuration(f"{service.hostname}:{port}", sorted_hosts(found))


def configuration(name: str, hosts: Iterable[Part]) -> Part:
    """Return a route configuration of these virtual hosts."""
    part = Part(value={"name": name})
    part.list("virtual_hosts", hosts)
    part.value |= {
        "validate_clusters": wrapped(value=False),
        "max_direct_response_body_size_bytes": wrapped(_BODY_LIMIT),
        "ignore_port_in_host_matching": True,
    }
    return part


def sorted_hosts(hosts: Iterable[Part]) -> list[Part]:
    """Return virtual hosts by name, so that the order of manifests does not matter."""
    return sorted(hosts, key=lambda each: str(each.value["name"]))


def virtual_hosts(scope: Scope, port: int) -> list[Part]:
    """Return a virtual host for each service and VirtualService host on a port."""
    if port not in scope.virtual_hosts:
        scope.virtual_hosts[port] = _virtual_hosts(scope, port)
    return scope.virtual_hosts[port]


def _virtual_hosts(scope: Scope, port: int) -> list[Part]:
    egress = scope.egress_of(port)
    services = {
        host: narrowed
        for host, each in by_host(egress.services).items()
        if (narrowed := each.narrowed(port)) is not None
    }
    taken = _Domains()
    hosts: list[Part] = []
    for draft in _drafts(scope, egress, port, services):
        for host in draft.hosts:
            hosts.extend(_virtual_host(draft, host, [host], port, taken))
        for service in draft.services:
            domains = _domains(service, scope, egress)
            hosts.extend(_virtual_host(draft, service.hostname, domains, port, taken))
    return hosts


def _drafts(
    scope: Scope, egress: Egress, port: int, services: dict[str, Service]
) -> Iterator[_Draft]:
    context = context_of(scope, port)
    wildcards = _wildcard_owners(egress, services)
    wild = [host for host in services if names.is_wildcard(host)]
    left = dict(services)
    for each in egress.virtual_services:
        if port != _LEGACY_PORT and not _concerns(each, services, wild):
            continue
        found = route.routes(each, context)
        if not found:
            continue
        hosts, known = _split(each, services, wildcards)
        if each.gateway_semantics and each.namespace != scope.pod.namespace:
            # A route of a third namespace is not for this proxy's calls.
            known = tuple(one for one in known if one.namespace == each.namespace)
            if not known:
                continue
        served = tuple(one for one in known if one.ports[0].protocol.http_or_sniffed)
        if served or port == _LEGACY_PORT:
            yield _Draft(routes=found, hosts=hosts, services=served, source=each)
        for one in served:
            left.pop(one.hostname, None)
    retries = scope.mesh.config.default_http_retry_policy
    for service in left.values():
        only = service.ports[0]
        if service.resolution is not Resolution.ALIAS and only.protocol.http_or_sniffed:
            policy = of_service(scope, service, port)
            yield _Draft(
                routes=[route.service_route(service, port, policy, retries)], services=(service,)
            )


def context_of(scope: Scope, port: int) -> route.Context:
    """Return for whom a sidecar's routes are written."""
    return route.Context(
        labels=scope.pod.labels,
        namespace=scope.pod.namespace,
        port=port,
        gateways=frozenset({names.MESH_GATEWAY}),
        tls=False,
        # The registry of one port: a service that lacks the port has no single port to default to.
        service=lambda host: _narrowed(scope.services.get(host), port),
        hash_policy=lambda target, namespace: of_destination(scope, target, namespace),
        retries=scope.mesh.config.default_http_retry_policy,
    )


def _narrowed(service: Service | None, port: int) -> Service | None:
    return service.narrowed(port) if service is not None else None


def _concerns(
    virtual_service: VirtualService, services: dict[str, Service], wild: list[str]
) -> bool:
    return any(
        host in services
        or any(
            names.matches(host, each) for each in (services if names.is_wildcard(host) else wild)
        )
        for host in virtual_service.hosts
    )


def _wildcard_owners(egress: Egress, services: dict[str, Service]) -> dict[str, VirtualService]:
    """Return for each service the VirtualService with the wildcard host nearest to it."""
    candidates = [
        (host, each)
        for each in egress.virtual_services
        for host in each.hosts
        if names.is_wildcard(host)
    ]
    owners = {}
    for hostname in services:
        best = names.most_specific(hostname, [host for host, _ in candidates])
        if best is not None:
            owners[hostname] = next(each for host, each in candidates if host == best)
    return owners


def _split(
    virtual_service: VirtualService,
    services: dict[str, Service],
    wildcards: dict[str, VirtualService],
) -> tuple[tuple[str, ...], tuple[Service, ...]]:
    """Return the VirtualService's hosts beyond the registry, and the services it speaks of."""
    unknown: list[str] = []
    known: dict[str, Service] = {}
    for host in sorted(virtual_service.hosts, key=names.is_wildcard):
        if not names.is_wildcard(host) or virtual_service.gateway_semantics:
            if host in services:
                known[host] = services[host]
            else:
                unknown.append(host)
            continue
        covered = [each for each in services if names.matches(each, host)]
        for each in covered:
            if wildcards.get(each) is virtual_service:
                known.setdefault(each, services[each])
        if not covered:
            unknown.append(host)
    return tuple(unknown), tuple(known.values())


def _virtual_host(
    draft: _Draft, host: str, domains: list[str], port: int, taken: _Domains
) -> Iterator[Part]:
    name = names.virtual_host(host, port)
    if name in taken.names:
        return
    taken.names.add(name)
    # Envoy refuses a domain given twice: the first VirtualService for a host has it.
    free = [each for each in domains if each.lower() not in taken.domains]
    taken.domains.update(each.lower() for each in free)
    if not free:
        return
    part = Part(value={"name": name, "domains": free})
    if draft.source is not None:
        part.note("", draft.source.source, "spec.hosts")
    else:
        part.note("", draft.services[0].source, "")
    part.list("routes", draft.routes)
    part.value["include_request_attempt_count"] = True
    yield part


def _domains(service: Service, scope: Scope, egress: Egress) -> list[str]:
    namespace = scope.pod.namespace
    short = [
        each for each in names.aliases(service.hostname, namespace) if each not in scope.services
    ]
    found = [service.hostname, *short]
    for alias in egress.aliases.get(service.hostname, ()):
        found += [alias, *names.aliases(alias, namespace)]
    if service.kubernetes and service.resolution is Resolution.ORIGINAL:
        found += [f"*.{each}" for each in found]
    if service.kubernetes:
        found += [service.ip] if service.ip != UNSPECIFIED else []
    else:
        addresses = service.listens_at(dns_capture=scope.pod.dns_capture)
        found += [each for each in addresses if each != UNSPECIFIED]
    return found


def _catch_all(scope: Scope) -> Part:
    part = Part()
    if scope.sidecar is not None:
        part.note("", scope.sidecar, "spec.outboundTrafficPolicy")
    name = "allow_any" if scope.allow_any else "block_all"
    only: dict[str, object] = {"name": name, "match": {"prefix": "/"}}
    if scope.allow_any:
        never = duration(0)
        only["route"] = {
            "cluster": names.PASSTHROUGH,
            "timeout": never,
            "max_grpc_timeout": never,
        }
    else:
        only["direct_response"] = {"status": 502}
    part.value = {
        "name": name,
        "domains": ["*"],
        "routes": [only],
        "include_request_attempt_count": True,
    }
    return part
