"""ServiceEntries, WorkloadEntries and WorkloadGroups.

Follows   istio pkg/config/validation/validation.go (ValidateServiceEntry, validateWorkloadEntry,
          ValidateWorkloadGroup)
"""

from __future__ import annotations

from simulator.config.istio import ServiceEntry, Workload, WorkloadGroup
from simulator.config.objects import Object
from simulator.istiod import protocol
from simulator.istiod.validation import syntax
from simulator.istiod.validation.fault import Fault, Faults, each, fault
from simulator.istiod.validation.gateway import TLS
from simulator.istiod.validation.reach import export_to, selector

_BY_NAME = frozenset({"DNS", "DNS_ROUND_ROBIN"})


def service_entry(source: Object) -> Faults:
    """Check a ServiceEntry."""
    spec: ServiceEntry = source.spec
    yield from selector(spec.workload_selector, "spec.workloadSelector")
    for at, host in enumerate(spec.hosts):
        place = f"spec.hosts[{at}]"
        yield from fault(place, syntax.wildcard_domain(host))
        partial = syntax.partial_wildcard(host)
        if partial:
            yield Fault(place, partial, warning=True)
    yield from each("spec.addresses", spec.addresses, syntax.subnet)
    yield from _ports(spec)
    if spec.workload_selector is not None and spec.resolution == "NONE":
        problem = "it has no effect with the resolution NONE"
        yield Fault("spec.workloadSelector", problem, warning=True)
    yield from _resolution(spec)
    yield from _several_hosts(spec)
    yield from export_to(spec.export_to, source.namespace, nobody=True)


def _ports(spec: ServiceEntry) -> Faults:
    for at, port in enumerate(spec.ports):
        place = f"spec.ports[{at}]"
        yield from fault(f"{place}.name", syntax.label(port.name))
        yield from fault(f"{place}.protocol", syntax.protocol_name(port.protocol))


def _resolution(spec: ServiceEntry) -> Faults:
    defined = frozenset(port.name for port in spec.ports)
    if spec.resolution == "DYNAMIC_DNS":
        yield from _dynamic(spec)
    elif spec.resolution in _BY_NAME and not spec.endpoints:
        for at, host in enumerate(spec.hosts):
            if syntax.domain(host):
                problem = f"without endpoints, {spec.resolution} looks the host up: no wildcard"
                yield Fault(f"spec.hosts[{at}]", problem)
    for at, endpoint in enumerate(spec.endpoints):
        place = f"spec.endpoints[{at}]"
        named = spec.resolution in _BY_NAME
        yield from _endpoint(endpoint, place, named=named, sockets=not named)
        for name in endpoint.ports:
            if name not in defined:
                yield Fault(f"{place}.ports.{name}", "the ServiceEntry has no port of that name")
        if endpoint.address.startswith(syntax.SOCKET) and len(defined) != 1:
            yield Fault(f"{place}.address", "a socket goes with just one port")


def _dynamic(spec: ServiceEntry) -> Faults:
    for at, host in enumerate(spec.hosts):
        if not host.startswith("*."):
            yield Fault(f"spec.hosts[{at}]", "DYNAMIC_DNS is for wildcard hosts such as *.org")
    if spec.location != "MESH_EXTERNAL":
        yield Fault("spec.location", "DYNAMIC_DNS is for hosts beyond the mesh")
    if spec.endpoints:
        yield Fault("spec.endpoints", "DYNAMIC_DNS looks the request's own host up")
    if spec.addresses:
        yield Fault("spec.addresses", "DYNAMIC_DNS takes no addresses")
    for at, port in enumerate(spec.ports):
        spoken = protocol.parse(port.protocol)
        if not spoken.http and spoken not in TLS:
            yield Fault(f"spec.ports[{at}].protocol", "DYNAMIC_DNS needs HTTP or TLS")


def _several_hosts(spec: ServiceEntry) -> Faults:
    if spec.resolution == "NONE" or len(spec.hosts) < 2:
        return
    for at, port in enumerate(spec.ports):
        spoken = protocol.parse(port.protocol)
        if not spoken.http and spoken not in TLS:
            problem = "nothing in plain TCP tells several hosts apart"
            yield Fault(f"spec.ports[{at}].protocol", problem)
            break
    opaque = any(protocol.parse(port.protocol).tcp for port in spec.ports)
    if opaque and spec.resolution in _BY_NAME and spec.addresses:
        problem = "with addresses and a TCP port, several hosts are not told apart"
        yield Fault("spec.hosts", problem, warning=True)


def workload_entry(source: Object) -> Faults:
    """Check a WorkloadEntry."""
    yield from _endpoint(source.spec, "spec", named=True, sockets=True)


def _endpoint(workload: Workload, at: str, *, named: bool, sockets: bool) -> Faults:
    address = workload.address
    if sockets and not address:
        reached = f"without an address it is reached through the network {workload.network}"
        problem = reached if workload.network else "an address is needed"
        yield Fault(f"{at}.address", problem, warning=bool(workload.network))
    if sockets and address.startswith(syntax.SOCKET):
        yield from fault(f"{at}.address", syntax.socket(address.removeprefix(syntax.SOCKET)))
        if workload.ports:
            yield Fault(f"{at}.ports", "a socket has no ports")
    elif (address or not sockets) and not syntax.is_address(address):
        if not named:
            yield Fault(f"{at}.address", f"the resolution STATIC needs an IP address: {address}")
        else:
            yield from fault(f"{at}.address", syntax.domain(address))
    for name in workload.ports:
        yield from fault(f"{at}.ports.{name}", syntax.label(name))
    yield from fault(f"{at}.labels", syntax.labels(workload.labels))


def workload_group(source: Object) -> Faults:
    """Check a WorkloadGroup."""
    spec: WorkloadGroup = source.spec
    if spec.metadata is not None:
        yield from fault("spec.metadata.labels", syntax.labels(spec.metadata.labels))
    probe = spec.probe
    if probe is None:
        return
    if not (probe.http_get or probe.tcp_socket or probe.exec or probe.grpc):
        yield Fault("spec.probe", "it needs an httpGet, tcpSocket, exec or grpc")
    if probe.http_get is not None:
        for at, header in enumerate(probe.http_get.http_headers):
            place = f"spec.probe.httpGet.httpHeaders[{at}].name"
            yield from fault(place, syntax.strict_header(header.name))
    if probe.exec is not None and not probe.exec.command:
        yield Fault("spec.probe.exec.command", "a command is needed")
