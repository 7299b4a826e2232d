"""Destinations of routes, and what TCP and TLS routes match.

Follows   istio pkg/config/validation/validation.go (validateDestination, validateTLSRoute,
          validateTCPRoute, validateGatewayNames)
"""

from __future__ import annotations

from collections.abc import Sequence

from simulator.config.istio import (
    Destination,
    HTTPRouteDestination,
    L4MatchAttributes,
    RouteDestination,
    TCPRoute,
    TLSMatchAttributes,
    TLSRoute,
    VirtualService,
)
from simulator.istiod import names
from simulator.istiod.validation import syntax
from simulator.istiod.validation.fault import Fault, Faults, each, fault


def destination(to: Destination, at: str) -> Faults:
    """Check where requests go."""
    if to.host == "*":
        yield Fault(f"{at}.host", "requests go to one service, not to every host")
    else:
        yield from fault(f"{at}.host", syntax.wildcard_domain(to.host))
    if to.subset:
        yield from fault(f"{at}.subset", syntax.label(to.subset))
    if to.port is not None:
        yield from fault(f"{at}.port.number", syntax.port(to.port.number))


def destinations(route: Sequence[HTTPRouteDestination | RouteDestination], at: str) -> Faults:
    """Check a route's destinations and their weights."""
    for index, one in enumerate(route):
        yield from destination(one.destination, f"{at}[{index}].destination")
        if one.weight < 0:
            yield Fault(f"{at}[{index}].weight", "a weight is not negative")
    if len(route) > 1 and not sum(one.weight for one in route):
        yield Fault(at, "the weights add up to 0, so no destination would be chosen")


def gateways(written: tuple[str, ...], at: str) -> Faults:
    """Check the names of gateways: NAME, or NAMESPACE/NAME."""
    for index, reference in enumerate(written):
        place = f"{at}[{index}]"
        home, slash, name = reference.partition("/")
        if not slash:
            if "." in reference:
                yield Fault(place, "write NAMESPACE/NAME, not NAME.NAMESPACE", warning=True)
            yield from fault(place, syntax.domain(reference))
        elif not home or not name:
            yield Fault(place, "neither the namespace nor the gateway's name may be empty")
        elif not syntax.is_label(home) or not syntax.is_label(name):
            yield Fault(place, f"'{reference}' is not NAMESPACE/NAME of a Gateway")


def bound_to_gateways(spec: VirtualService) -> bool:
    """Say whether a VirtualService is for gateways alone."""
    return bool(spec.gateways) and names.MESH_GATEWAY not in spec.gateways


def _connection(match: L4MatchAttributes | TLSMatchAttributes, at: str) -> Faults:
    yield from each(f"{at}.destinationSubnets", match.destination_subnets, syntax.subnet)
    if match.port:
        yield from fault(f"{at}.port", syntax.port(match.port))
    yield from fault(f"{at}.sourceLabels", syntax.labels(match.source_labels))
    yield from gateways(match.gateways, f"{at}.gateways")


def tcp_route(route: TCPRoute, at: str) -> Faults:
    """Check a rule for TCP connections."""
    for index, match in enumerate(route.match):
        yield from _connection(match, f"{at}.match[{index}]")
    if not route.route:
        yield Fault(at, "a rule for TCP needs a `route`")
    yield from destinations(route.route, f"{at}.route")


def tls_route(route: TLSRoute, spec: VirtualService, at: str) -> Faults:
    """Check a rule for TLS connections that are passed through."""
    if not route.match:
        yield Fault(at, "a rule for TLS needs a `match`")
    for index, match in enumerate(route.match):
        place = f"{at}.match[{index}]"
        if not match.sni_hosts:
            yield Fault(f"{place}.sniHosts", "one host or more is needed")
        for place_, host in enumerate(match.sni_hosts):
            yield from _sni(host, spec, f"{place}.sniHosts[{place_}]")
        yield from _connection(match, place)
    if not route.route:
        yield Fault(at, "a rule for TLS needs a `route`")
    yield from destinations(route.route, f"{at}.route")


def _sni(host: str, spec: VirtualService, at: str) -> Faults:
    gateway = bound_to_gateways(spec)
    problem = syntax.gateway_host(host, sni=True) if gateway else syntax.wildcard_domain(host)
    if problem is not None:
        if syntax.is_address(host):
            yield Fault(at, f"clients do not send the IP address {host} as SNI", warning=True)
        else:
            yield Fault(at, problem)
        return
    if not any(names.subset_of(host, other) for other in spec.hosts):
        hosts = ", ".join(spec.hosts)
        yield Fault(at, f"{host} is none of the VirtualService's own hosts: {hosts}")
