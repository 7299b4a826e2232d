"""PeerAuthentications and RequestAuthentications.

Follows   istio pkg/config/validation/validation.go (ValidatePeerAuthentication,
          ValidateRequestAuthentication)
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from simulator.config.istio import JWTRule, PeerAuthentication, RequestAuthentication
from simulator.config.objects import Object
from simulator.istiod.validation import syntax
from simulator.istiod.validation.fault import Fault, Faults, each, fault
from simulator.istiod.validation.reach import selector, target

_KEY_PARTS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x"), "oct": ("k",)}


def peer_authentication(source: Object) -> Faults:
    """Check a PeerAuthentication; its schema says the rest."""
    spec: PeerAuthentication = source.spec
    yield from selector(spec.selector, "spec.selector")


def request_authentication(source: Object) -> Faults:
    """Check a RequestAuthentication."""
    spec: RequestAuthentication = source.spec
    yield from target(spec)
    for at, rule in enumerate(spec.jwt_rules):
        yield from _rule(rule, f"spec.jwtRules[{at}]")


def _rule(rule: JWTRule, at: str) -> Faults:
    if not rule.issuer and not rule.jwks_uri:
        yield Fault(at, "an `issuer` or a `jwksUri` is needed")
    yield from each(f"{at}.audiences", rule.audiences, syntax.not_empty)
    if rule.jwks_uri and not _is_web(rule.jwks_uri):
        yield Fault(f"{at}.jwksUri", "it is a http:// or https:// URL")
    if rule.jwks:
        yield from _keys(rule.jwks, f"{at}.jwks")
    for index, claim in enumerate(rule.output_claim_to_headers):
        place = f"{at}.outputClaimToHeaders[{index}].header"
        yield from fault(place, syntax.strict_header(claim.header))
    yield from fault(f"{at}.timeout", syntax.duration(rule.timeout_ns))


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and (parts.port is None or parts.port >= 0)
    except ValueError:
        return False


def _keys(text: str, at: str) -> Faults:
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        yield Fault(at, "it is no JSON Web Key Set")
        return
    keys: Any = read.get("keys", [read]) if isinstance(read, dict) else None
    if not isinstance(keys, list):
        yield Fault(at, "it is no JSON Web Key Set")
        return
    for key in keys:
        parts = _KEY_PARTS.get(str(key.get("kty"))) if isinstance(key, dict) else None
        if parts is None or not all(isinstance(key.get(part), str) for part in parts):
            yield Fault(at, "it holds something that is no JSON Web Key")
        elif "d" in key or key["kty"] == "oct":
            problem = "it holds a private key; tokens are checked with the public one"
            yield Fault(at, problem, warning=True)
