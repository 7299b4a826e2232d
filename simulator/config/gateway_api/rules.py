"""What must hold between the fields of a Gateway API object, beyond each field's own form.

The API server refuses an object that breaks a rule. A rule is a function of a part of an
object; it yields each place, relative to the part, with what is wrong there.

Follows   gateway-api apis/v1/*_types.go (the validation rules beside the types)
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address
from typing import Any

from simulator.config.gateway_api import filters, gateway, policies, routes, values
from simulator.config.model import Spec, parse_duration

Broken = Iterator[tuple[str, str]]
Rule = Callable[[Any], Broken]

_MOST_MATCHES = 128
_HOUR_NS = 3600 * 10**9
_SECOND_NS = 10**9
_PATH = re.compile(r"(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+")
_SERVICE = re.compile(r"(?i)\.?[a-z_][a-z_0-9]*(\.[a-z_][a-z_0-9]*)*")
_METHOD = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_KEY = re.compile(rf"({values.DOMAIN}/)?([A-Za-z0-9][-A-Za-z0-9_.]{{0,61}})?[A-Za-z0-9]")
_LONGEST_PREFIX = 253
_SINGULAR = (
    "RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect", "URLRewrite", "CORS",
)  # fmt: skip


def broken(spec: Spec, path: str = "spec") -> Broken:
    """Yield the path of every broken rule in an object, with what is wrong."""
    for kind in type(spec).__mro__:
        for rule in RULES.get(kind, ()):
            for place, problem in rule(spec):
                yield (f"{path}.{place}" if place and place[0] != "[" else path + place), problem
    for name, field in type(spec).model_fields.items():
        value = getattr(spec, name)
        inner = f"{path}.{field.alias or name}"
        if isinstance(value, Spec):
            yield from broken(value, inner)
        elif isinstance(value, tuple):
            for at, each in enumerate(value):
                if isinstance(each, Spec):
                    yield from broken(each, f"{inner}[{at}]")


def _repeated(items: Sequence[Any]) -> list[int]:
    """Return where an item stands that was there before."""
    seen: list[Any] = []
    again = []
    for at, each in enumerate(items):
        if each in seen:
            again.append(at)
        seen.append(each)
    return again


def _unique(field: str, alias: str, key: str = "") -> Rule:
    """Return the rule that a list names nothing twice, by one of its items' fields."""

    def rule(spec: Any) -> Broken:  # noqa: ANN401 - a part that has the field
        items = getattr(spec, field)
        for at in _repeated([getattr(each, key) if key else each for each in items]):
            what = f"the {key} `{getattr(items[at], key)}`" if key else f"`{items[at]}`"
            yield f"{alias}[{at}]", f"{what} is there twice; each may stand in the list once"

    return rule


# References


def _same_parent(route: Any) -> Broken:  # noqa: ANN401 - a route
    parents = route.parent_refs
    for at, one in enumerate(parents):
        for other in parents[:at]:
            if (one.group, one.kind, one.namespace, one.name) != (
                other.group, other.kind, other.namespace, other.name,
            ):  # fmt: skip
                continue
            place = f"parentRefs[{at}]"
            if (one.section_name, one.port) == (other.section_name, other.port):
                yield (
                    place,
                    (
                        "the same parent is there twice: each of its parentRefs needs another "
                        "sectionName or port"
                    ),
                )
            elif (one.section_name is None) != (other.section_name is None) or (
                one.port is None
            ) != (other.port is None):
                yield (
                    place,
                    (
                        "this parent is there several times: each of its parentRefs must give "
                        "a sectionName, or each a port"
                    ),
                )


def _backend_port(backend: values.BackendObjectReference) -> Broken:
    if not backend.group and backend.kind == "Service" and backend.port is None:
        yield "", "a reference to a Service needs a port"


def _targets(policy: policies.BackendTLSPolicy) -> Broken:
    refs = policy.target_refs
    for at, one in enumerate(refs):
        for other in refs[:at]:
            if (one.group, one.kind, one.name) != (other.group, other.kind, other.name):
                continue
            place = f"targetRefs[{at}]"
            if one.section_name == other.section_name:
                yield (
                    place,
                    "the same target is there twice: each targetRefs needs another sectionName",
                )
            elif (one.section_name is None) != (other.section_name is None):
                yield (
                    place,
                    (
                        "this target is there several times: each of its targetRefs must give a "
                        "sectionName"
                    ),
                )


# Gateways


def _listener(spec: gateway.Listener) -> Broken:
    protocol, tls = spec.protocol, spec.tls
    if protocol in {"HTTP", "TCP", "UDP"} and tls is not None:
        yield "tls", f"a listener whose protocol is {protocol} has no tls; use HTTPS or TLS"
    if protocol == "HTTPS" and tls is not None and tls.mode != "Terminate":
        yield "tls.mode", "the tls mode of an HTTPS listener must be Terminate"
    if protocol == "TLS" and tls is None:
        yield "", "a listener whose protocol is TLS must set the tls mode"
    if protocol in {"TCP", "UDP"} and spec.hostname:
        yield "hostname", f"a listener whose protocol is {protocol} cannot have a hostname"


def _listeners(spec: gateway.Gateway | gateway.ListenerSet) -> Broken:
    facts = [(each.port, each.protocol, each.hostname) for each in spec.listeners]
    for at in _repeated(facts):
        yield (
            f"listeners[{at}]",
            ("an earlier listener has the same port, protocol and hostname; one must differ"),
        )


def _certificates(tls: gateway.ListenerTLSConfig) -> Broken:
    if tls.mode == "Terminate" and not tls.certificate_refs and not tls.options:
        yield "", "the mode Terminate needs certificateRefs (or options)"


def _addresses(spec: gateway.Gateway) -> Broken:
    for kind in ("IPAddress", "Hostname"):
        found = [
            (at, each.value)
            for at, each in enumerate(spec.addresses)
            if each.type == kind and each.value is not None
        ]
        for again in _repeated([value for _, value in found]):
            at, value = found[again]
            yield f"addresses[{at}]", f"the {kind} with the value {value} is there twice"


def _address(address: gateway.GatewayAddress) -> Broken:
    if address.type == "IPAddress" and address.value:
        try:
            ip_address(address.value)
        except ValueError:
            yield "value", f"an address of the type IPAddress needs an IP, got '{address.value}'"
    host = re.fullmatch(rf"(\*\.)?{values.DOMAIN}", address.value or "")
    if address.type == "Hostname" and address.value and host is None:
        yield "value", f"an address of the type Hostname needs a host, got '{address.value}'"


def _infrastructure(spec: gateway.GatewayInfrastructure) -> Broken:
    for field in ("labels", "annotations"):
        for key in getattr(spec, field):
            if _KEY.fullmatch(key) is None:
                yield (
                    field,
                    (
                        f"`{key}` is no key of {field}: expected a name, perhaps with a DNS prefix "
                        "before a slash"
                    ),
                )
            elif len(key.partition("/")[0]) >= _LONGEST_PREFIX:
                yield field, f"a key of {field} has a prefix of 253 characters or more"


# Rules of routes


def _rule_names(route: Any) -> Broken:  # noqa: ANN401 - a route
    names = [(at, each.name) for at, each in enumerate(route.rules) if each.name is not None]
    for again in _repeated([name for _, name in names]):
        at, name = names[again]
        yield f"rules[{at}].name", f"the route has an earlier rule of the name {name}"


def _most_matches(route: routes.HTTPRoute | routes.GRPCRoute) -> Broken:
    total = sum(len(each.matches) for each in route.rules)
    if total > _MOST_MATCHES:
        yield "rules", f"all rules of a route have {total} matches in total; 128 are allowed"


def _path_match(match: routes.HTTPPathMatch) -> Broken:
    value = match.value
    if match.type == "RegularExpression":
        return
    if not value.startswith("/"):
        yield "value", "a path that is matched as Exact or PathPrefix must begin with a slash"
    for part in ("//", "/./", "/../", "%2f", "%2F", "#"):
        if part in value:
            yield "value", f"a path that is matched as Exact or PathPrefix cannot contain '{part}'"
    for part in ("/..", "/."):
        if value.endswith(part):
            yield "value", f"a path that is matched as Exact or PathPrefix cannot end with '{part}'"
    if _PATH.fullmatch(value) is None:
        yield (
            "value",
            (f"'{value}' has characters that a path matched as Exact or PathPrefix cannot have"),
        )


def _grpc_method(match: routes.GRPCMethodMatch) -> Broken:
    if not match.service and not match.method:
        yield "", "one of service and method must be given, or both"
    if match.type != "Exact":
        return
    if match.service and _SERVICE.fullmatch(match.service) is None:
        yield "service", f"'{match.service}' has characters that no gRPC service's name has"
    if match.method and _METHOD.fullmatch(match.method) is None:
        yield "method", f"'{match.method}' has characters that no gRPC method's name has"


def _sni_hosts(route: routes.TLSRoute) -> Broken:
    for at, host in enumerate(route.hostnames):
        try:
            ip_address(host)
        except ValueError:
            continue
        yield f"hostnames[{at}]", f"an IP such as {host} is not among the hostnames of TLS"


def _replaces_prefix(found: Sequence[filters.HTTPRouteFilter], field: str) -> bool:
    chosen = [getattr(each, field) for each in found]
    paths = [each.path for each in chosen if each is not None and each.path is not None]
    return any(
        each.type == "ReplacePrefixMatch" and each.replace_prefix_match is not None
        for each in paths
    )


def _http_rule(rule: routes.HTTPRouteRule) -> Broken:
    if rule.backend_refs and any(each.request_redirect for each in rule.filters):
        yield "filters", "a rule with a RequestRedirect filter cannot have backendRefs"
    if len(rule.matches) == 1 and rule.matches[0].path.type == "PathPrefix":
        return
    lists = [("filters", rule.filters, "")]
    lists += [
        (f"backendRefs[{at}].filters", each.filters, " within backendRefs")
        for at, each in enumerate(rule.backend_refs)
    ]
    for place, found, where in lists:
        for kind, field in (("RequestRedirect", "request_redirect"), ("URLRewrite", "url_rewrite")):
            if _replaces_prefix(found, field):
                yield (
                    place,
                    (
                        f"a {kind} filter{where} whose path has replacePrefixMatch asks that "
                        "the rule has one match, with a PathPrefix"
                    ),
                )


def _timeouts(timeouts: routes.HTTPRouteTimeouts) -> Broken:
    request = values.nanoseconds(timeouts.request)
    backend = values.nanoseconds(timeouts.backend_request)
    if request and backend is not None and backend > request:
        yield (
            "backendRequest",
            "the backendRequest timeout cannot be longer than the request timeout",
        )


# Filters


def _filter_list(spec: Any) -> Broken:  # noqa: ANN401 - what has filters
    counts = Counter(each.type for each in spec.filters)
    for kind in _SINGULAR:
        if counts[kind] > 1:
            yield "filters", f"a {kind} filter is there more than once"
    if counts["RequestRedirect"] and counts["URLRewrite"]:
        yield (
            "filters",
            (
                "a RequestRedirect and a URLRewrite filter exclude each other: the one "
                "answers, the other sends on"
            ),
        )


def _path_modifier(path: filters.HTTPPathModifier) -> Broken:
    given = {
        "ReplaceFullPath": path.replace_full_path is not None,
        "ReplacePrefixMatch": path.replace_prefix_match is not None,
    }
    for kind, there in given.items():
        alias = kind[:1].lower() + kind[1:]
        if there and path.type != kind:
            yield "type", f"{alias} is given, so the type must be {kind}"
        if not there and path.type == kind:
            yield "", f"the type {kind} needs {alias}"


def _mirror(mirror: filters.HTTPRequestMirrorFilter) -> Broken:
    if mirror.percent is not None and mirror.fraction is not None:
        yield "", "a mirror takes percent or fraction, not both"


def _fraction(fraction: filters.Fraction) -> Broken:
    if fraction.numerator > fraction.denominator:
        yield "numerator", "the numerator must not be greater than the denominator"


def _cors(cors: filters.HTTPCORSFilter) -> Broken:
    for field, alias in (
        ("allow_headers", "allowHeaders"),
        ("allow_methods", "allowMethods"),
        ("allow_origins", "allowOrigins"),
    ):
        found = getattr(cors, field)
        if "*" in found and len(found) > 1:
            yield alias, f"'*' in {alias} means all: nothing else can stand beside it"


def _external_auth(auth: filters.HTTPExternalAuthFilter) -> Broken:
    for kind, alias, given in (("GRPC", "grpc", auth.grpc), ("HTTP", "http", auth.http)):
        if auth.protocol == kind and given is None:
            yield "", f"the protocol {kind} needs {alias}"
        if auth.protocol != kind and given is not None:
            yield alias, f"{alias} is given, so the protocol must be {kind}"


def _session(session: values.SessionPersistence) -> Broken:
    cookie = session.cookie
    if cookie is not None and cookie.lifetime_type == "Permanent" and not session.absolute_timeout:
        yield "", "a cookie whose lifetimeType is Permanent needs an absoluteTimeout"
    if cookie is not None and session.type != "Cookie":
        yield "cookie", "a session whose type is not Cookie has no cookie"
    if session.header is not None and session.type != "Header":
        yield "header", "a session whose type is not Header has no header"
    for kind, given in (("Cookie", cookie), ("Header", session.header)):
        if session.type == kind and given is None:
            yield "", f"a session of the type {kind} needs a {kind.lower()}"


# Policies


def _certificates_of_backend(check: policies.BackendTLSPolicyValidation) -> Broken:
    refs, known = bool(check.ca_certificate_refs), bool(check.well_known_ca_certificates)
    if refs == known:
        count = "not both" if refs else "one of them"
        yield "", f"caCertificateRefs or wellKnownCACertificates must be given, {count}"


def _alt_name(name: policies.SubjectAltName) -> Broken:
    for kind, alias, value in (("Hostname", "hostname", name.hostname), ("URI", "uri", name.uri)):
        if name.type == kind and not value:
            yield "", f"a name of the type {kind} needs {alias}"
        if name.type != kind and value:
            yield alias, f"a name whose type is not {kind} has no {alias}"


def _budget(budget: policies.RetryBudget) -> Broken:
    if not _SECOND_NS <= parse_duration(budget.interval) <= _HOUR_NS:
        yield "interval", "the interval must be between one second and one hour"


def _rate(rate: policies.RequestRate) -> Broken:
    if rate.interval is not None and not 0 < parse_duration(rate.interval) <= _HOUR_NS:
        yield "interval", "the interval must be more than nothing and at most one hour"


RULES: dict[type, tuple[Rule, ...]] = {
    gateway.Gateway: (_listeners, _unique("listeners", "listeners", "name"), _addresses),
    gateway.ListenerSet: (_listeners, _unique("listeners", "listeners", "name")),
    gateway.Listener: (_listener,),
    gateway.ListenerTLSConfig: (_certificates,),
    gateway.GatewayAddress: (_address,),
    gateway.GatewayInfrastructure: (_infrastructure,),
    gateway.FrontendTLSConfig: (_unique("per_port", "perPort", "port"),),
    routes.Route: (_same_parent, _rule_names),
    routes.HTTPRoute: (_most_matches,),
    routes.GRPCRoute: (_most_matches,),
    routes.TLSRoute: (_sni_hosts,),
    routes.HTTPRouteRule: (_filter_list, _http_rule),
    routes.GRPCRouteRule: (_filter_list,),
    routes.HTTPRouteTimeouts: (_timeouts,),
    routes.HTTPBackendRef: (_filter_list,),
    routes.GRPCBackendRef: (_filter_list,),
    routes.HTTPPathMatch: (_path_match,),
    routes.GRPCMethodMatch: (_grpc_method,),
    routes.HTTPRouteMatch: (
        _unique("headers", "headers", "name"),
        _unique("query_params", "queryParams", "name"),
    ),
    routes.GRPCRouteMatch: (_unique("headers", "headers", "name"),),
    routes.HTTPRouteRetry: (_unique("codes", "codes"),),
    values.BackendObjectReference: (_backend_port,),
    values.SessionPersistence: (_session,),
    filters.HTTPHeaderFilter: (
        _unique("set", "set", "name"),
        _unique("add", "add", "name"),
        _unique("remove", "remove"),
    ),
    filters.HTTPPathModifier: (_path_modifier,),
    filters.HTTPRequestMirrorFilter: (_mirror,),
    filters.Fraction: (_fraction,),
    filters.HTTPCORSFilter: (
        _cors,
        _unique("allow_origins", "allowOrigins"),
        _unique("allow_methods", "allowMethods"),
        _unique("allow_headers", "allowHeaders"),
        _unique("expose_headers", "exposeHeaders"),
    ),
    filters.HTTPExternalAuthFilter: (_external_auth,),
    policies.BackendTLSPolicy: (_targets,),
    policies.BackendTLSPolicyValidation: (_certificates_of_backend,),
    policies.SubjectAltName: (_alt_name,),
    policies.RetryBudget: (_budget,),
    policies.RequestRate: (_rate,),
}
"""By the part that they are about."""
