"""Gateways.

Follows   istio pkg/config/validation/validation.go (ValidateGateway)
"""

from __future__ import annotations

from simulator.config.istio import Gateway, Port, Server
from simulator.config.objects import Object
from simulator.istiod import protocol
from simulator.istiod.protocol import Protocol
from simulator.istiod.validation import syntax
from simulator.istiod.validation.fault import Fault, Faults, fault
from simulator.istiod.validation.server_tls import server_tls

TLS = frozenset({Protocol.HTTPS, Protocol.TLS})


def gateway(source: Object) -> Faults:
    """Check a Gateway."""
    spec: Gateway = source.spec
    if not syntax.is_label(source.name):
        yield Fault("metadata.name", "a Gateway's name has no dots")
    if not spec.servers:
        yield Fault("spec.servers", "a Gateway has one server or more")
    names: set[str] = set()
    for at, each in enumerate(spec.servers):
        place = f"spec.servers[{at}]"
        yield from server(each, place)
        if each.port.name in names:
            yield Fault(f"{place}.port.name", "the port names of a Gateway's servers differ")
        names.add(each.port.name)
        redirects = each.tls is not None and each.tls.https_redirect
        if redirects and not protocol.parse(each.port.protocol).http:
            problem = "only HTTP servers redirect to https"
            yield Fault(f"{place}.tls.httpsRedirect", problem, warning=True)


def server(each: Server, at: str) -> Faults:
    """Check one server."""
    if not each.hosts:
        yield Fault(f"{at}.hosts", "a server has one host or more")
    for index, host in enumerate(each.hosts):
        yield from fault(f"{at}.hosts[{index}]", syntax.scoped_host(host, gateway=True))
    wrong_port = tuple(server_port(each.port, each.bind, f"{at}.port"))
    yield from wrong_port
    yield from _bind(each, at)
    yield from server_tls(each.tls, f"{at}.tls")
    if not wrong_port:
        yield from _fitting(each, at)


def server_port(port: Port, bind: str, at: str) -> Faults:
    """Check a server's port."""
    if protocol.parse(port.protocol) is Protocol.AUTO:
        problem = syntax.protocol_name(port.protocol) or "a protocol is needed"
        yield Fault(f"{at}.protocol", problem)
    if port.number or not bind.startswith(syntax.SOCKET):
        yield from fault(f"{at}.number", syntax.port(port.number))
    if port.target_port:
        yield Fault(f"{at}.targetPort", "it has no effect on Gateways")
    if not port.name:
        yield Fault(f"{at}.name", "a port name is needed")


def _bind(each: Server, at: str) -> Faults:
    if each.bind.startswith(syntax.SOCKET):
        yield from fault(f"{at}.bind", syntax.socket(each.bind.removeprefix(syntax.SOCKET)))
        if each.port.number:
            yield Fault(f"{at}.port.number", "with a socket the port number is 0")
    elif each.bind:
        yield from fault(f"{at}.bind", syntax.address(each.bind))


def _fitting(each: Server, at: str) -> Faults:
    spoken = protocol.parse(each.port.protocol)
    if spoken in TLS:
        if each.tls is None:
            yield Fault(at, f"a server that speaks {spoken} must have TLS settings (`tls`)")
        return
    if each.tls is None:
        return
    own = each.tls.ca_certificates or each.tls.private_key or each.tls.server_certificate
    passes = each.tls.mode in {"PASSTHROUGH", "AUTO_PASSTHROUGH"}
    if not spoken.http or not passes or own:
        yield Fault(f"{at}.tls", f"a server that speaks plain {spoken} cannot have TLS settings")
