"""What a pod or a service is to the mesh, and which configuration concerns it, in words.

A `Note` is a line with what belongs to it below: the same tree is printed and given as JSON.

Follows   istio istioctl/pkg/describe/describe.go (what is told, and in which order)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from simulator.config.istio import HTTPMatchRequest, StringMatch
from simulator.config.objects import Object
from simulator.istiod import names
from simulator.istiod.authn.peers import peer_modes
from simulator.istiod.destination_rule import Rule
from simulator.istiod.istioctl import authz
from simulator.istiod.registry import Mesh, Pod, Service
from simulator.istiod.services import selects
from simulator.istiod.targets import targets
from simulator.istiod.virtual_service import HttpRule, VirtualService

_POLICY = ("connection_pool", "load_balancer", "outlier_detection", "tls", "port_level_settings")


@dataclass(frozen=True, slots=True)
class Note:
    """A line, and the lines that belong to it."""

    text: str
    below: tuple[Note, ...] = ()


def lines(notes: Iterable[Note], depth: int = 0) -> Iterator[str]:
    """Yield the notes as lines of text, each level three blanks further in."""
    for each in notes:
        yield " " * 3 * depth + each.text
        yield from lines(each.below, depth + 1)


def describe_pod(mesh: Mesh, pod: Pod, listeners: Iterable[object]) -> tuple[Note, ...]:
    """Return what a pod is to the mesh; `listeners` are those of its proxy."""
    found = [Note(f"Pod: {pod.ref}", tuple(_pod(pod)))]
    reached = {each.service.hostname: each.service for each in targets(mesh, pod)}
    if not reached:
        found.append(Note("Service: none leads to this pod"))
    for service in reached.values():
        found += describe_service(mesh, service, pod)
    found.append(_peers(mesh, pod))
    policies = [each for each in authz.table(listeners).rows if each[1] != authz.NOTHING]
    if policies:
        rows = tuple(
            Note(f"{action}: {policy} (rules: {rules})") for action, policy, rules in policies
        )
        found.append(Note("Authorization policies in force:", rows))
    return tuple(found)


def describe_service(mesh: Mesh, service: Service, pod: Pod | None = None) -> tuple[Note, ...]:
    """Return which configuration concerns a service, seen from its own namespace."""
    named = f"{service.name}.{service.namespace}" if service.kubernetes else service.hostname
    ports = tuple(
        Note(f"Port: {port.name} {port.number}/{port.protocol} leads to {port.target_port}")
        for port in service.ports
    )
    found = [Note(f"Service: {named}", ports or (Note("no ports"),))]
    rule = mesh.destination_rules.find(service, service.namespace, {})
    if rule is not None:
        found.append(_rule(rule, service, pod))
    routing = [each for each in mesh.virtual_services if _concerns(each, service)]
    found += [_virtual_service(each, service, rule) for each in routing]
    found += _exposed(mesh, routing)
    return tuple(found)


def _pod(pod: Pod) -> Iterator[Note]:
    named = {number: name for name, number in pod.named_ports.items()}
    ports = ", ".join(
        f"{port} ({named[port]})" if port in named else str(port) for port in pod.ports
    )
    yield Note(f"Ports: {ports or 'none'}")
    yield Note(f"Labels: {', '.join(f'{k}={v}' for k, v in sorted(pod.labels.items())) or 'none'}")
    if pod.gateway:
        yield Note("Proxy: a gateway")
    elif pod.sidecar:
        yield Note("Proxy: a sidecar")
    else:
        yield Note("WARNING: it has no sidecar; the mesh's rules do not hold for what it sends")
    missing = [name for name in ("app", "version") if name not in pod.labels]
    if missing and not pod.gateway:
        yield Note(f"Suggestion: label it with {' and '.join(missing)}, for telemetry")


def _rule(rule: Rule, service: Service, pod: Pod | None) -> Note:
    below = []
    for word, wanted in (("Matching subsets", True), ("Other subsets", False)):
        chosen = [
            each.subset.name
            for each in rule.subsets
            if (pod is None or selects(each.subset.labels, pod.labels)) is wanted
        ]
        if chosen:
            below.append(Note(f"{word if pod else 'Subsets'}: {', '.join(chosen)}"))
    below += [
        Note(f"WARNING: subset {each.subset.name} selects no pod")
        for each in rule.subsets
        if not any(selects(each.subset.labels, one.labels) for one in service.endpoints)
    ]
    fields = [name for name in _POLICY if rule.policy is not None and getattr(rule.policy, name)]
    words = ", ".join(name.replace("_", " ") for name in fields)
    below.append(Note(f"Traffic policy: {words or 'none'}"))
    if rule.policy is not None and rule.policy.tls is not None:
        below.append(Note(f"Clients' TLS: {rule.policy.tls.mode}"))
    return Note(f"DestinationRule: {_ref(rule.source)} for {rule.host}", tuple(below))


def _concerns(each: VirtualService, service: Service) -> bool:
    """Say whether it routes what clients in the mesh send there, or anything to there."""
    inside = names.MESH_GATEWAY in each.gateways
    if inside and any(names.matches(host, service.hostname) for host in each.hosts):
        return True
    return any(_leads(rule, service) for rule in each.rules)


def _leads(rule: HttpRule, service: Service) -> bool:
    home = rule.source.namespace
    hosts = (names.resolve(one.destination.host, home) for one in rule.spec.route)
    return service.hostname in hosts


def _virtual_service(each: VirtualService, service: Service, rule: Rule | None) -> Note:
    below = [Note(f"Gateways: {', '.join(each.gateways)}")]
    for http in each.rules:
        wanted = " or ".join(_match(one) for one in http.spec.match) or "every request"
        below.append(Note(f"{wanted}: {_action(http)}", tuple(_unknown(http, service, rule))))
    spec = each.source.spec
    for kind in ("tls", "tcp"):
        count = len(getattr(spec, kind) or ())
        if count:
            below.append(Note(f"{kind.upper()} routes: {count}"))
    return Note(f"VirtualService: {_ref(each.source)} for {', '.join(each.hosts)}", tuple(below))


def _unknown(http: HttpRule, service: Service, rule: Rule | None) -> Iterator[Note]:
    for one in http.spec.route:
        target = one.destination
        if (
            names.resolve(target.host, http.source.namespace) != service.hostname
            or not target.subset
        ):
            continue
        if rule is None or rule.subset(target.subset) is None:
            yield Note(f"WARNING: no DestinationRule has a subset {target.subset}")


def _action(http: HttpRule) -> str:
    spec = http.spec
    if spec.redirect is not None:
        return "redirect"
    if spec.direct_response is not None:
        return f"answer {spec.direct_response.status}"
    several = len(spec.route) > 1
    words = []
    for one in spec.route:
        subset = f" ({one.destination.subset})" if one.destination.subset else ""
        weight = f" {one.weight} %" if several else ""
        words.append(f"{one.destination.host}{subset}{weight}")
    return f"to {', '.join(words)}" if words else "nowhere"


def _match(match: HTTPMatchRequest) -> str:
    parts = [
        f"{name} {_text(value)}"
        for name, value in (
            ("path", match.uri),
            ("scheme", match.scheme),
            ("method", match.method),
            ("authority", match.authority),
        )
        if value is not None
    ]
    parts += [f"header {name} {_text(value)}" for name, value in match.headers.items()]
    parts += [f"no header {name} {_text(value)}" for name, value in match.without_headers.items()]
    parts += [f"query {name} {_text(value)}" for name, value in match.query_params.items()]
    parts += [f"port {match.port}"] if match.port else []
    if match.source_labels:
        parts.append(f"from {', '.join(f'{k}={v}' for k, v in match.source_labels.items())}")
    parts += [f"from namespace {match.source_namespace}"] if match.source_namespace else []
    return " and ".join(parts) or "every request"


def _text(value: StringMatch) -> str:
    if value.exact is not None:
        return f"is {value.exact}"
    if value.prefix is not None:
        return f"begins with {value.prefix}"
    return f"matches {value.regex}" if value.regex is not None else "is there"


def _peers(mesh: Mesh, pod: Pod) -> Note:
    modes = peer_modes(mesh, pod.namespace, pod.labels)
    below = [Note(f"Mode: {modes.mode}")]
    below += [Note(f"Port {port}: {mode}") for port, mode in sorted(modes.by_port.items())]
    by = _ref(modes.source) if modes.source is not None else "the default"
    return Note(f"Effective PeerAuthentication: {by}", tuple(below))


def _exposed(mesh: Mesh, routing: Sequence[VirtualService]) -> Iterator[Note]:
    gateways = {f"{each.namespace}/{each.name}": each for each in mesh.manifests.of("Gateway")}
    for each in routing:
        for name in each.gateways:
            gateway = gateways.get(name)
            if gateway is None:
                if name != names.MESH_GATEWAY:
                    yield Note(
                        f"WARNING: {_ref(each.source)} names gateway {name}, which is not there"
                    )
                continue
            ports = [server.port for server in gateway.spec.servers if server.port is not None]
            words = ", ".join(f"{one.protocol} {one.number}" for one in ports)
            yield Note(f"Exposed by Gateway {name}: {words}")


def _ref(source: Object) -> str:
    return f"{source.name}.{source.namespace}"
