"""Sidecars.

Follows   istio pkg/config/validation/validation.go (ValidateSidecar)
"""

from __future__ import annotations

from collections import defaultdict

from simulator.config.istio import IstioEgressListener, IstioIngressListener, Sidecar, SidecarPort
from simulator.config.objects import Object
from simulator.istiod import protocol
from simulator.istiod.validation import syntax
from simulator.istiod.validation.fault import Fault, Faults, fault
from simulator.istiod.validation.gateway import TLS
from simulator.istiod.validation.reach import selector
from simulator.istiod.validation.route import destination
from simulator.istiod.validation.server_tls import server_tls
from simulator.istiod.validation.traffic_policy import connection_pool

_ENDPOINT_HOSTS = frozenset({"", "127.0.0.1", "0.0.0.0", "[::1]", "[::]"})


def sidecar(source: Object) -> Faults:
    """Check a Sidecar."""
    spec: Sidecar = source.spec
    yield from selector(spec.workload_selector, "spec.workloadSelector")
    if not (
        spec.egress or spec.ingress or spec.outbound_traffic_policy or spec.inbound_connection_pool
    ):
        yield Fault("spec", "an empty Sidecar means nothing")
        return
    ports: set[int] = set()
    for at, each in enumerate(spec.ingress):
        place = f"spec.ingress[{at}]"
        yield from _ingress(each, place)
        if each.port.number in ports:
            yield Fault(f"{place}.port.number", "another listener has this port")
        ports.add(each.port.number)
    yield from connection_pool(spec.inbound_connection_pool, "spec.inboundConnectionPool")
    yield from _egress_listeners(spec.egress, source.namespace)
    yield from _outbound(spec)


def _ingress(each: IstioIngressListener, at: str) -> Faults:
    yield from _port(each.port, f"{at}.port")
    yield from fault(f"{at}.port.number", syntax.port(each.port.number))
    if each.bind:
        yield from fault(f"{at}.bind", syntax.address(each.bind))
    if each.default_endpoint:
        yield from fault(f"{at}.defaultEndpoint", _endpoint(each.default_endpoint))
    if each.tls is not None:
        yield from _tls(each, f"{at}.tls")
    pool = each.connection_pool
    yield from connection_pool(pool, f"{at}.connectionPool")
    opaque = not protocol.parse(each.port.protocol).http
    if opaque and pool is not None and pool.http is not None:
        problem = "the port does not speak HTTP, so it has no effect"
        yield Fault(f"{at}.connectionPool.http", problem, warning=True)


def _port(port: SidecarPort, at: str) -> Faults:
    if port.target_port:
        yield Fault(f"{at}.targetPort", "it has no effect on Sidecars")
    if port.name:
        yield from fault(f"{at}.name", syntax.label(port.name))
    yield from fault(f"{at}.protocol", syntax.protocol_name(port.protocol))


def _endpoint(text: str) -> str | None:
    if text.startswith(syntax.SOCKET):
        return syntax.socket(text.removeprefix(syntax.SOCKET))
    host, colon, number = text.rpartition(":")
    if not colon or host not in _ENDPOINT_HOSTS or syntax.port_text(number) or number == "0":
        return "it is 127.0.0.1:PORT, 0.0.0.0:PORT, [::1]:PORT, [::]:PORT, :PORT or unix://PATH"
    return None


def _tls(each: IstioIngressListener, at: str) -> Faults:
    tls = each.tls
    assert tls is not None
    for name, field in (
        ("subject_alt_names", "subjectAltNames"),
        ("https_redirect", "httpsRedirect"),
        ("credential_name", "credentialName"),
        ("credential_names", "credentialNames"),
        ("tls_certificates", "tlsCertificates"),
    ):
        if getattr(tls, name):
            yield Fault(f"{at}.{field}", "Sidecars do not support it")
    if tls.mode in {"ISTIO_MUTUAL", "AUTO_PASSTHROUGH"}:
        yield Fault(f"{at}.mode", f"Sidecars do not support {tls.mode}")
    if protocol.parse(each.port.protocol) not in TLS:
        yield Fault(at, "only a port that speaks HTTPS or TLS has TLS settings")
    yield from server_tls(tls, at)


def _egress_listeners(listeners: tuple[IstioEgressListener, ...], namespace: str) -> Faults:
    ports: set[int | str] = set()
    for at, each in enumerate(listeners):
        place = f"spec.egress[{at}]"
        if each.port is None:
            if at != len(listeners) - 1:
                yield Fault(place, "the listener without a port comes last, and there is one")
        else:
            yield from _port(each.port, f"{place}.port")
            yield from _egress_port(each, each.port, place)
            key: int | str = each.port.number or each.bind
            if key in ports:
                yield Fault(f"{place}.port", "another listener has this port or socket")
            ports.add(key)
        yield from _hosts(each.hosts, namespace, f"{place}.hosts")


def _egress_port(each: IstioEgressListener, port: SidecarPort, at: str) -> Faults:
    if port.number:
        yield from fault(f"{at}.port.number", syntax.port(port.number))
        if each.bind:
            yield from fault(f"{at}.bind", syntax.address(each.bind))
        return
    if not each.bind.startswith(syntax.SOCKET):
        yield Fault(f"{at}.port.number", "0 goes with a socket in `bind`, and with that alone")
    else:
        yield from fault(f"{at}.bind", syntax.socket(each.bind.removeprefix(syntax.SOCKET)))
    if each.capture_mode == "IPTABLES":
        yield Fault(f"{at}.captureMode", "a socket is not captured; use DEFAULT or NONE")


def _hosts(hosts: tuple[str, ...], namespace: str, at: str) -> Faults:
    if not hosts:
        yield Fault(at, "a listener has one host or more")
    seen: dict[str, set[str]] = defaultdict(set)
    for index, each in enumerate(hosts):
        yield from fault(f"{at}[{index}]", syntax.scoped_host(each, gateway=False))
        home, slash, host = each.partition("/")
        if not slash or (home.startswith("~") and home != "~"):
            continue
        home = namespace if home == "." else home
        known = seen[home]
        if known and (host == "*" or host in known or "*" in known):
            problem = f"{each} says again what stands here already"
            yield Fault(f"{at}[{index}]", problem, warning=True)
        known.add(host)
    if "*" in seen["*"] and len([home for home in seen if seen[home]]) > 1:
        yield Fault(at, "`*/*` selects everything, so the other hosts add nothing", warning=True)


def _outbound(spec: Sidecar) -> Faults:
    policy = spec.outbound_traffic_policy
    if policy is None or policy.egress_proxy is None:
        return
    at = "spec.outboundTrafficPolicy.egressProxy"
    if policy.mode != "ALLOW_ANY":
        yield Fault(at, "it goes with the mode ALLOW_ANY alone")
        return
    yield from fault(f"{at}.host", syntax.domain(policy.egress_proxy.host))
    if policy.egress_proxy.port is None:
        yield Fault(at, "it needs a port")
    yield from destination(policy.egress_proxy, at)
