"""VirtualServices.

Follows   istio pkg/config/validation/validation.go (ValidateVirtualService)
"""

from __future__ import annotations

from simulator.config.istio import VirtualService
from simulator.config.objects import Object
from simulator.istiod import names
from simulator.istiod.validation import syntax
from simulator.istiod.validation.fault import Fault, Faults
from simulator.istiod.validation.http_route import http_route
from simulator.istiod.validation.reach import export_to
from simulator.istiod.validation.route import bound_to_gateways, gateways, tcp_route, tls_route

_CLAIM = "@request.auth.claims"


def virtual_service(source: Object) -> Faults:
    """Check a VirtualService."""
    spec: VirtualService = source.spec
    delegate = not spec.hosts
    if delegate:
        for field, written in (("gateways", spec.gateways), ("tls", spec.tls), ("tcp", spec.tcp)):
            if written:
                yield Fault(f"spec.{field}", "a delegate (it has no hosts) cannot have it")
    yield from gateways(spec.gateways, "spec.gateways")
    if not bound_to_gateways(spec):
        yield from _claims(spec)
    yield from _hosts(spec)
    if not (spec.http or spec.tls or spec.tcp):
        yield Fault("spec", "it needs rules: `http`, `tls` or `tcp`")
    for at, http in enumerate(spec.http):
        yield from http_route(http, f"spec.http[{at}]", delegate=delegate)
    for at, tls in enumerate(spec.tls):
        yield from tls_route(tls, spec, f"spec.tls[{at}]")
    for at, tcp in enumerate(spec.tcp):
        yield from tcp_route(tcp, f"spec.tcp[{at}]")
    yield from export_to(spec.export_to, source.namespace)


def _claims(spec: VirtualService) -> Faults:
    for at, rule in enumerate(spec.http):
        for index, match in enumerate(rule.match):
            place = f"spec.http[{at}].match[{index}]"
            for field, found in (
                ("headers", match.headers),
                ("withoutHeaders", match.without_headers),
            ):
                for name in found:
                    if name.startswith(_CLAIM):
                        problem = "only gateways route by the claims of tokens"
                        yield Fault(f"{place}.{field}.{name}", problem)


def _hosts(spec: VirtualService) -> Faults:
    gateway = bound_to_gateways(spec)
    sni = any(match.sni_hosts for rule in spec.tls for match in rule.match)
    valid = True
    for at, host in enumerate(spec.hosts):
        place = f"spec.hosts[{at}]"
        problem = syntax.gateway_host(host, sni=sni) if gateway else syntax.wildcard_domain(host)
        if problem is not None and not syntax.is_address(host):
            valid = False
            yield Fault(place, problem)
        elif host == "*" and not gateway:
            valid = False
            yield Fault(place, "sidecars take no rules for every host; name a gateway, or the host")
    for at, host in enumerate(spec.hosts if valid else ()):
        for before in spec.hosts[:at]:
            if names.matches(before, host):
                yield Fault(f"spec.hosts[{at}]", f"{before} covers {host} already")
