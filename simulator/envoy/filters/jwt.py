"""Ask requests for tokens, verify them and hand their claims on.

A token that is there must hold, wherever it stands; several of one provider must all hold.

Models    envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
Follows   envoy/source/extensions/filters/http/jwt_authn/{filter,verifier,authenticator}.cc
Leaves    fetching keys (docs/fidelity.md#jwt)
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

from simulator.envoy.filters.jwt_config import (
    AnyOf,
    ByProvider,
    JwtConfig,
    JwtPerRoute,
    Lenient,
    Provider,
    Requirement,
)
from simulator.envoy.filters.jwt_extract import Found, extract, removed, sanitized
from simulator.envoy.filters.jwt_token import (
    AUDIENCE,
    MISSING,
    UNKNOWN_ISSUER,
    BadTokenError,
    Token,
    claim,
    parse,
    plain_audience,
)
from simulator.envoy.filters.passing import Answer, Passing
from simulator.envoy.header_map import with_headers
from simulator.envoy.match import Subject
from simulator.envoy.request import Request
from simulator.observe.explain import Outcome

METADATA = "envoy.filters.http.jwt_authn"
_SECOND_NS = 1_000_000_000
_URI_PATH = 256


def decode(config: JwtConfig, passing: Passing) -> Answer | None:
    """Refuse a request that lacks what it must bring, or hand it on with its claims."""
    request = passing.request
    if config.bypass_cors_preflight and _is_preflight(request):
        return None
    own = passing.own
    if isinstance(own, JwtPerRoute):
        if own.requirement_name not in ("", *config.named):
            return _wrong_name(config, own.requirement_name)
        requirement = config.named.get(own.requirement_name)
    else:
        subject = Subject(request, passing.draws.stream, passing.info)
        rule = next((one for one in config.rules if one.takes(subject)), None)
        requirement = rule.requirement if rule is not None else None
    if requirement is None:
        return None
    check = _Check(config, passing)
    status = check.requirement(requirement)
    if not status:
        passing.set_metadata(METADATA, check.extracted)
        if check.clear_route:
            passing.clear_route()
        return None
    return _refusal(config, request, status)


def _is_preflight(request: Request) -> bool:
    return (
        request.method == "OPTIONS"
        and bool(request.first("origin"))
        and bool(request.first("access-control-request-method"))
    )


def _wrong_name(config: JwtConfig, name: str) -> Answer:
    known = ",".join(config.named)
    error = f"Wrong requirement_name: {name}. It should be one of [{known}]"
    body = "" if config.strip_failure_response else f"Failed JWT authentication: {error}"
    return Answer(status=403, body=body, details=_details(error))


def _refusal(config: JwtConfig, request: Request, status: str) -> Answer:
    code = 403 if status == AUDIENCE else 401
    if config.strip_failure_response:
        return Answer(status=code, details=_details(status))
    path = request.first("x-envoy-original-path") or request.path
    realm = f"{request.scheme}://{request.authority}{path[:_URI_PATH]}"
    value = f'Bearer realm="{realm}"'
    if status != MISSING:
        value += ', error="invalid_token"'
    headers = (("www-authenticate", value),)
    return Answer(status=code, body=status, details=_details(status), headers=headers)


def _details(status: str) -> str:
    told = re.sub(r"\s", "_", status)
    return f"jwt_authn_access_denied{{{told}}}"


class _Check:
    """The verification of one request against what is required; '' is success throughout."""

    def __init__(self, config: JwtConfig, passing: Passing) -> None:
        self.extracted: dict[str, Any] = {}
        self.clear_route = False
        self._config = config
        self._passing = passing

    def requirement(self, wanted: Requirement) -> str:
        """Return why a requirement is not met, or nothing."""
        match wanted:
            case ByProvider():
                status = self._tokens((wanted.provider,), wanted)
                self._note(wanted.provider, status)
                return status
            case Lenient():
                return self._tokens(wanted.providers, wanted)
            case AnyOf():
                return self._any(wanted)
        return next((s for one in wanted.requirements if (s := self.requirement(one))), "")

    def _any(self, wanted: AnyOf) -> str:
        failure = ""
        for one in wanted.requirements:
            status = self.requirement(one)
            if not status:
                return ""
            # What is wrong with a token tells more than that it is another's, or not there.
            if failure in ("", MISSING) or status not in (MISSING, UNKNOWN_ISSUER):
                failure = status
        return failure

    def _tokens(self, providers: tuple[Provider, ...], wanted: ByProvider | Lenient) -> str:
        """Return why the tokens at the providers' places do not do, or nothing."""
        passing = self._passing
        passing.request = sanitized(passing.request, providers)
        failed = isinstance(wanted, Lenient) and wanted.allow_failed
        status = MISSING
        for found in reversed(extract(passing.request, providers)):
            status = self._token(found, wanted)
            if status and isinstance(wanted, ByProvider):
                break
        if failed or (isinstance(wanted, Lenient) and status == MISSING):
            return ""
        return status

    def _token(self, found: Found, wanted: ByProvider | Lenient) -> str:
        try:
            token = parse(found.text)
        except BadTokenError as error:
            return str(error)
        if found.issuers and token.issuer not in found.issuers:
            return UNKNOWN_ISSUER
        provider = self._provider(token, wanted)
        if provider is None:
            return UNKNOWN_ISSUER
        status = self._holds(token, provider, wanted)
        if not status:
            self._accept(token, provider, found)
        return status

    def _provider(self, token: Token, wanted: ByProvider | Lenient) -> Provider | None:
        if isinstance(wanted, ByProvider):
            return wanted.provider
        named = (one for one in self._config.providers if one.issuer == token.issuer)
        anyone = (one for one in self._config.providers if not one.issuer)
        return next(named, None) or next(anyone, None)

    def _holds(self, token: Token, provider: Provider, wanted: ByProvider | Lenient) -> str:
        passing = self._passing
        if provider.subjects is not None and not provider.subjects.matches(token.subject):
            return "Jwt verification fails"
        now_s = (passing.lasting.epoch_ns + passing.now) // _SECOND_NS
        status = token.timely(now_s, provider.clock_skew_s)
        if status:
            return status
        if provider.require_expiration and not token.expires:
            return "Jwt verification fails"
        if provider.max_lifetime_s is not None and (
            not token.expires or token.expires - now_s > provider.max_lifetime_s
        ):
            return "Jwt verification fails"
        audiences = provider.audiences
        if isinstance(wanted, ByProvider) and wanted.audiences is not None:
            audiences = wanted.audiences
        if audiences and not audiences & {plain_audience(one) for one in token.audiences}:
            return AUDIENCE
        return provider.no_keys or token.verified(provider.keys)

    def _accept(self, token: Token, provider: Provider, found: Found) -> None:
        """Hand on what a good token says."""
        passing = self._passing
        headers = passing.request.headers
        if provider.payload_header:
            padding = "=" * (-len(token.payload_text) % 4) if provider.pad_payload else ""
            headers = (*headers, (provider.payload_header, token.payload_text + padding))
        for header, name in provider.claim_to_headers:
            value = _text(claim(token.payload, name))
            if value:
                headers = (*headers, (header, value))
        passing.request = with_headers(passing.request, headers)
        if not provider.forward:
            passing.request = removed(passing.request, found)
        if provider.header_in_metadata:
            self.extracted[provider.header_in_metadata] = token.header
        if provider.payload_in_metadata:
            self.extracted[provider.payload_in_metadata] = _normalized(
                token.payload, provider.space_delimited
            )
        self.clear_route = self.clear_route or provider.clear_route_cache

    def _note(self, provider: Provider, status: str) -> None:
        self._passing.note(
            "jwt",
            provider.name,
            status or "a token of this provider is there and holds",
            provider.field,
            outcome=Outcome.REJECTED if status else Outcome.CHOSEN,
        )


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return a claim as a header has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        whole = float(value).is_integer() and 0 <= value < 2**64
        return str(int(value)) if whole else f"{value:f}"
    if isinstance(value, (list, dict)):
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        return base64.b64encode(text.encode()).decode()
    return value if isinstance(value, str) else ""


def _normalized(payload: Mapping[str, Any], delimited: tuple[str, ...]) -> Mapping[str, Any]:
    """Return a payload in which the words of some claims are a list."""
    words = {
        name: payload[name].split() for name in delimited if isinstance(payload.get(name), str)
    }
    return {**payload, **words}
