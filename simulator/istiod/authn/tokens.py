"""Write the filter that checks tokens, for RequestAuthentications.

A request without a token passes: that it needs one is said by an AuthorizationPolicy.

Models    envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
Follows   istio pilot/pkg/security/authn/policy_applier.go (convertToEnvoyJwtConfig)
Leaves    keys at a `jwksUri`: nothing is fetched, so every token fails, as while istiod cannot
          reach the address
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from simulator.config.istio.request_authentication import JWTRule
from simulator.config.objects import Object
from simulator.diagnostics import Diagnostic, diagnose
from simulator.envoy_api import message, pack
from simulator.istiod.attachment import attached
from simulator.istiod.scope import Scope

_NAME = "envoy.filters.http.jwt_authn"
_CONFIG = "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"
_ALWAYS_SPLIT = frozenset({"permission", "scope"})
_UNKNOWN_KEYS = (
    '{"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256",'
    ' "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",'
    ' "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"}]}'
)
"""A key that nobody signs with: the curve's own base point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    rule: JWTRule
    source: Object
    at: str


def filters(scope: Scope) -> list[dict[str, Any]]:
    """Return the filter, or nothing where no policy holds."""
    rules = [each.rule for each in _rules(scope)]
    if not rules:
        return []
    return [{"name": _NAME, "typed_config": pack(message(_CONFIG)(**config(rules, scope)))}]


def written(scope: Scope) -> Iterator[tuple[str, Object, str]]:
    """Yield each provider of the filter, and the policy and field that it comes from."""
    for at, each in enumerate(_rules(scope)):
        yield f"origins-{at}", each.source, each.at


def unfetched(scope: Scope) -> Iterator[Diagnostic]:
    """Yield a finding for each issuer whose keys would have to be fetched."""
    for each in _rules(scope):
        if each.rule.jwks_uri and not each.rule.jwks:
            field = f"{each.at}.jwksUri"
            what = "nothing is fetched, and without its keys every token fails; write `jwks`"
            yield diagnose(
                "not-simulated",
                position=each.source.at(field),
                resource=each.source.ref,
                field=field,
                what=what,
            )


def _rules(scope: Scope) -> list[_Placed]:
    found = [
        _Placed(rule=rule, source=policy, at=f"spec.jwtRules[{at}]")
        for policy in attached(scope.mesh, scope.pod, "RequestAuthentication")
        for at, rule in enumerate(policy.spec.jwt_rules)
    ]
    return sorted(found, key=lambda each: each.rule.issuer)


def config(rules: Iterable[JWTRule], scope: Scope | None = None) -> dict[str, Any]:
    """Return the filter's configuration: each token found must be good, or one of them."""
    # At a gateway, routes may depend on what a token claims.
    routed_by_claims = scope is not None and scope.pod.gateway
    providers: dict[str, Any] = {}
    each_good: list[dict[str, Any]] = []
    one_good: list[dict[str, Any]] = []
    for at, rule in enumerate(rules):
        name = f"origins-{at}"
        providers[name] = _provider(rule, clear_route_cache=routed_by_claims)
        good = {"provider_name": name}
        one_good.append(good)
        each_good.append(good if rule.presence == "REQUIRED" else _any([good, _MISSING]))
    requires = each_good[0]
    if len(each_good) > 1:
        # Issuers may share a place for their tokens, and all but one then fail.
        requires = _any([*one_good, {"requires_all": {"requirements": each_good}}])
    return {
        "providers": providers,
        "rules": [{"match": {"prefix": "/"}, "requires": requires}],
        "bypass_cors_preflight": True,
    }


_MISSING: dict[str, Any] = {"allow_missing": {}}


def _any(requirements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"requires_any": {"requirements": requirements}}


def _provider(rule: JWTRule, *, clear_route_cache: bool) -> dict[str, Any]:
    return {
        "issuer": rule.issuer,
        "audiences": list(rule.audiences),
        "local_jwks": {"inline_string": rule.jwks or _UNKNOWN_KEYS},
        "forward": rule.forward_original_token,
        "forward_payload_header": rule.output_payload_to_header,
        "payload_in_metadata": "payload",
        "normalize_payload_in_metadata": {
            "space_delimited_claims": sorted({*rule.space_delimited_claims, *_ALWAYS_SPLIT})
        },
        "claim_to_headers": [
            {"header_name": each.header, "claim_name": each.claim}
            for each in rule.output_claim_to_headers
        ],
        "from_headers": [
            {"name": each.name, "value_prefix": each.prefix} for each in rule.from_headers
        ],
        "from_params": list(rule.from_params),
        "from_cookies": list(rule.from_cookies),
        "clear_route_cache": clear_route_cache,
    }
