"""Where VirtualServices send to: does it exist, is the port clear, is there such a subset?

Follows   istio pkg/config/analysis/analyzers/virtualservice/{destinationhosts,destinationrules}.go,
          pkg/config/analysis/analyzers/util/service_lookup.go
"""

from __future__ import annotations

from collections.abc import Iterator

from simulator.config.istio import Destination
from simulator.config.mistakes import near
from simulator.config.objects import Object
from simulator.diagnostics import Diagnostic
from simulator.istiod import names
from simulator.istiod.analysis.report import report
from simulator.istiod.registry import Mesh, Service


def destinations(source: Object) -> Iterator[tuple[str, Destination]]:
    """Yield every destination of a VirtualService, mirrors too, with its field."""
    spec = source.spec
    for at, rule in enumerate(spec.http):
        place = f"spec.http[{at}]"
        for index, each in enumerate(rule.route):
            yield f"{place}.route[{index}].destination", each.destination
        if rule.mirror is not None:
            yield f"{place}.mirror", rule.mirror
        for index, each in enumerate(rule.mirrors or ()):
            yield f"{place}.mirrors[{index}].destination", each.destination
    for kind in ("tcp", "tls"):
        for at, rule in enumerate(getattr(spec, kind)):
            for index, each in enumerate(rule.route):
                yield f"spec.{kind}[{at}].route[{index}].destination", each.destination


def find_service(mesh: Mesh, host: str, namespace: str) -> Service | None:
    """Return the service that a host means to a resource of a namespace."""
    full = names.resolve(host, namespace)
    service = mesh.services.get(full)
    if service is not None and _visible(service, namespace):
        return service
    for each in mesh.services.values():
        if (
            names.is_wildcard(each.hostname)
            and _visible(each, namespace)
            and full.removeprefix("*").endswith(each.hostname[1:])
        ):
            return each
    return None


def _visible(service: Service, namespace: str) -> bool:
    exported = service.exported_to
    if not exported or "*" in exported or namespace in exported:
        return True
    return "." in exported and service.namespace == namespace


def unknown_hosts(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0101 for destinations that do not exist, IST0112 for ones with an unclear port."""
    for source in mesh.manifests.of("VirtualService"):
        for place, destination in destinations(source):
            service = find_service(mesh, destination.host, source.namespace)
            if service is None:
                advice = _advice(mesh, destination.host, source.namespace)
                yield report(
                    "IST0101", source, f"{place}.host",
                    what="host", name=destination.host, advice=advice,
                )  # fmt: skip
            else:
                yield from _port(source, place, destination, service)


def _port(
    source: Object, place: str, destination: Destination, service: Service
) -> Iterator[Diagnostic]:
    numbers = [port.number for port in service.ports]
    listed = ", ".join(str(each) for each in numbers)
    if destination.port is None:
        if len(numbers) > 1:
            yield report("IST0112", source, place, host=destination.host, ports=listed)
    elif destination.port.number not in numbers:
        wanted = f"{destination.host}:{destination.port.number}"
        advice = f"its ports are {listed}" if listed else "it has no ports"
        yield report(
            "IST0101", source, f"{place}.port.number", what="port", name=wanted, advice=advice
        )


def _advice(mesh: Mesh, host: str, namespace: str) -> str:
    known: dict[str, None] = {}
    for service in mesh.services.values():
        short = service.name if service.kubernetes and service.namespace == namespace else None
        known[short or service.hostname] = None
        if service.kubernetes and host == f"{service.name}.{service.namespace}":
            return f"write `{service.hostname}`: a name with a dot in it is taken as it is"
    return near(host, list(known)) if len(known) else "declare a Service or ServiceEntry"


def unknown_subsets(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0101 for subsets that no DestinationRule defines."""
    defined: dict[str, list[str]] = {}
    for rule in mesh.manifests.of("DestinationRule"):
        host = names.resolve(rule.spec.host, rule.namespace)
        defined.setdefault(host, []).extend(each.name for each in rule.spec.subsets)
    for source in mesh.manifests.of("VirtualService"):
        for place, destination in destinations(source):
            host = names.resolve(destination.host, source.namespace)
            subsets = defined.get(host, [])
            if destination.subset and destination.subset not in subsets:
                wanted = f"{destination.subset} of {destination.host}"
                advice = (
                    near(destination.subset, subsets)
                    if subsets
                    else f"define it in a DestinationRule for {destination.host}"
                )
                yield report(
                    "IST0101", source, f"{place}.subset", what="subset", name=wanted, advice=advice
                )


def unaffected_ingress(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0140 for gateway routes past another VirtualService's subsets of their host."""
    split: dict[str, str] = {}
    for source in mesh.manifests.of("VirtualService"):
        for rule in source.spec.http:
            for each in rule.route:
                if each.destination.subset and each.destination.host in source.spec.hosts:
                    split.setdefault(each.destination.host, source.ref)
    for source in mesh.manifests.of("VirtualService"):
        if not source.spec.gateways:
            continue
        for at, rule in enumerate(source.spec.http):
            for index, each in enumerate(rule.route):
                other = split.get(each.destination.host)
                if not each.destination.subset and other is not None:
                    place = f"spec.http[{at}].route[{index}].destination.host"
                    yield report("IST0140", source, place, host=each.destination.host, other=other)
