"""AuthorizationPolicies.

Follows   istio pkg/config/validation/validation.go (ValidateAuthorizationPolicy),
          pkg/config/security/security.go
"""

from __future__ import annotations

import re

from simulator.config.istio import AuthorizationPolicy, Condition, Operation, Rule, Source
from simulator.config.model import api_name
from simulator.config.objects import Object
from simulator.istiod.validation import syntax
from simulator.istiod.validation.fault import Fault, Faults, each, fault
from simulator.istiod.validation.reach import target

_DRY_RUN = "istio.io/dry-run"
_TRUTHS = frozenset(
    ["1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"]
)
_IDENTITIES = (
    "namespaces",
    "service_accounts",
    "principals",
    "request_principals",
    "trust_domains",
)
_ADDRESSES = ("ip_blocks", "remote_ip_blocks")
_L4 = frozenset(
    {"principals", "namespaces", "service_accounts", "ip_blocks", "remote_ip_blocks",
     "trust_domains"}
)  # fmt: skip
_OPERATION = ("hosts", "methods", "paths", "ports")
_PLAIN_KEYS = frozenset(
    {
        "source.namespace",
        "source.principal",
        "source.trustDomain",
        "request.auth.principal",
        "request.auth.audiences",
        "request.auth.presenter",
        "connection.sni",
    }
)
_ADDRESS_KEYS = frozenset({"source.ip", "remote.ip", "destination.ip"})
_MAP_KEYS = (
    "request.headers",
    "request.inlineHeaders",
    "request.auth.claims",
    "experimental.envoy.filters.",
)
_MAP_KEY = re.compile(r"[^\[]+\[.+\]")
_CUSTOM_REFUSES = frozenset({"source.namespace", "source.serviceAccount", "source.principal"})
_TEMPLATES = frozenset({"{*}", "{**}"})
_LITERAL = re.compile(r"[a-zA-Z0-9\-._~%!$&'()+,;:@=]+")


def authorization_policy(source: Object) -> Faults:
    """Check an AuthorizationPolicy."""
    spec: AuthorizationPolicy = source.spec
    yield from _dry_run(source)
    yield from target(spec)
    if spec.action in {"CUSTOM", "DENY"} and "rules" not in spec.model_fields_set:
        problem = f"{spec.action} without rules does nothing; `- {{}}` is a rule for all requests"
        yield Fault("spec", problem)
    if spec.action == "CUSTOM":
        if spec.rules and (spec.provider is None or not spec.provider.name):
            yield Fault("spec", "CUSTOM needs the name of a provider (`provider.name`)")
        for at, rule in enumerate(spec.rules):
            yield from _custom(rule, f"spec.rules[{at}]")
    elif spec.provider is not None:
        yield Fault("spec.provider", f"it goes with CUSTOM, not with {spec.action}")
    for at, rule in enumerate(spec.rules):
        yield from _rule(rule, f"spec.rules[{at}]")
        if spec.action == "DENY" and _only_http(rule):
            problem = "TCP ports deny everything, for all attributes here are HTTP's; name ports"
            yield Fault(f"spec.rules[{at}]", problem, warning=True)


def _dry_run(source: Object) -> Faults:
    value = source.annotations.get(_DRY_RUN)
    if value is None:
        return
    place = f"metadata.annotations.{_DRY_RUN}"
    if source.spec.action not in {"ALLOW", "DENY"}:
        yield Fault(place, f"only ALLOW and DENY can be tried dry, not {source.spec.action}")
    elif value not in _TRUTHS:
        yield Fault(place, f"it is true or false, not {value}")


def _custom(rule: Rule, at: str) -> Faults:
    for index, each_from in enumerate(rule.from_):
        for name in _IDENTITIES[:4] if each_from.source is not None else ():
            for attribute in (name, f"not_{name}"):
                if getattr(each_from.source, attribute):
                    place = f"{at}.from[{index}].source.{api_name(attribute)}"
                    yield Fault(place, "a CUSTOM policy cannot use it")
    for index, condition in enumerate(rule.when):
        if condition.key in _CUSTOM_REFUSES or condition.key.startswith("request.auth."):
            yield Fault(f"{at}.when[{index}].key", "a CUSTOM policy cannot use it")


def _rule(rule: Rule, at: str) -> Faults:
    for attribute, field, written in (("from_", "from", rule.from_), ("to", "to", rule.to)):
        if attribute in rule.model_fields_set and not written:
            yield Fault(f"{at}.{field}", "an empty list matches nothing; leave it out to match all")
    for index, one in enumerate(rule.from_):
        place = f"{at}.from[{index}]"
        if one.source is None:
            yield Fault(place, "a `source` is needed")
        else:
            yield from _source(one.source, f"{place}.source")
    for index, other in enumerate(rule.to):
        place = f"{at}.to[{index}]"
        if other.operation is None:
            yield Fault(place, "an `operation` is needed")
        else:
            yield from _operation(other.operation, f"{place}.operation")
    for index, condition in enumerate(rule.when):
        yield from _condition(condition, f"{at}.when[{index}]")


def _source(source: Source, at: str) -> Faults:
    both = [name for base in (*_IDENTITIES, *_ADDRESSES) for name in (base, f"not_{base}")]
    if not any(getattr(source, name) for name in both):
        yield Fault(at, "an empty source matches nothing")
    for name in both:
        values = getattr(source, name)
        place = f"{at}.{api_name(name)}"
        yield from each(place, values, syntax.not_empty)
        if name.endswith("ip_blocks"):
            yield from each(place, filter(None, values), syntax.subnet)
        elif name.endswith("service_accounts"):
            yield from each(place, filter(None, values), _account)
        elif name.endswith("trust_domains"):
            yield from each(place, filter(None, values), _trust_domain)


def _account(text: str) -> str | None:
    if "*" in text:
        return "a service account has no wildcard"
    parts = text.split("/")
    return None if len(parts) <= 2 and all(parts) else "it is ACCOUNT or NAMESPACE/ACCOUNT"


def _trust_domain(text: str) -> str | None:
    plain = text.strip("*")
    return syntax.trust_domain(plain) if plain else None


def _operation(operation: Operation, at: str) -> Faults:
    both = [name for base in _OPERATION for name in (base, f"not_{base}")]
    if not any(getattr(operation, name) for name in both):
        yield Fault(at, "an empty operation matches nothing")
    for name in both:
        values = getattr(operation, name)
        place = f"{at}.{api_name(name)}"
        yield from each(place, values, syntax.not_empty)
        if name.endswith("ports"):
            yield from each(place, filter(None, values), syntax.port_text)
        elif name.endswith("paths"):
            yield from each(place, values, path_template)


def path_template(path: str) -> str | None:
    """Check that braces in a path are `{*}` or `{**}`, the latter just once and last."""
    templated = any(each in path for each in _TEMPLATES)
    rest = False
    for part in path.strip("/").split("/"):
        if part in _TEMPLATES:
            if rest:
                return f"'{path}': `{{**}}` is the last template"
            rest = part == "{**}"
        elif "{" in part or "}" in part:
            return f"'{path}': a part in braces is `{{*}}` or `{{**}}` alone"
        elif templated and not _LITERAL.fullmatch(part):
            return f"'{path}': with a template, the part '{part}' is plain text"
    return None


def _condition(condition: Condition, at: str) -> Faults:
    if not condition.key:
        yield Fault(f"{at}.key", "a key is needed")
        return
    if not condition.values and not condition.not_values:
        yield Fault(at, "`values` or `notValues` are needed")
        return
    yield from fault(f"{at}.key", _key(condition.key))
    for field, values in (("values", condition.values), ("notValues", condition.not_values)):
        place = f"{at}.{field}"
        yield from each(place, values, syntax.not_empty)
        if condition.key in _ADDRESS_KEYS:
            yield from each(place, filter(None, values), syntax.subnet)
        elif condition.key == "destination.port":
            yield from each(place, filter(None, values), syntax.port_text)
        elif condition.key == "source.serviceAccount":
            yield from each(place, filter(None, values), _account)


def _key(key: str) -> str | None:
    if key.startswith(_MAP_KEYS):
        return None if _MAP_KEY.fullmatch(key) else f"'{key}' has the form NAME[KEY]"
    known = _PLAIN_KEYS | _ADDRESS_KEYS | {"destination.port", "source.serviceAccount"}
    return None if key in known else f"there is no attribute '{key}'"


def _only_http(rule: Rule) -> bool:
    """Say whether a rule speaks of nothing that TCP connections have."""
    sources = [one.source for one in rule.from_ if one.source is not None]
    operations = [one.operation for one in rule.to if one.operation is not None]
    if operations:
        return not any(one.ports or one.not_ports for one in operations)
    names = {name for base in _L4 for name in (base, f"not_{base}")}
    return bool(sources) and not any(names & one.model_fields_set for one in sources)
