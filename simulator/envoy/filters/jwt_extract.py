"""Find tokens in a request, and take them out.

Follows   envoy/source/extensions/filters/http/jwt_authn/extractor.cc
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from simulator.envoy.filters.jwt_config import HeaderPlace, Provider
from simulator.envoy.header_map import with_headers, without
from simulator.envoy.match import cookies, query_parameters
from simulator.envoy.request import Request

_TOKEN_START = re.compile(r"[A-Za-z0-9\-_.]")
DEFAULT_HEADERS = (HeaderPlace("authorization", "Bearer "),)
DEFAULT_PARAMS = ("access_token",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A token's text, where it stood and whose tokens may stand there."""

    text: str
    issuers: frozenset[str]
    """Empty: anyone's."""
    header: str = ""
    param: str = ""


def extract(request: Request, providers: tuple[Provider, ...]) -> list[Found]:
    """Return every token at a place of the providers: headers, parameters, cookies."""
    found = []
    headers = {(p.name + p.prefix): p for one in providers for p in one.headers}
    for key in sorted(headers):
        place = headers[key]
        issuers = _issuers(providers, place)
        for value in request.values(place.name):
            text = _after(value, place.prefix)
            if text is not None:
                found.append(Found(text=text, issuers=issuers, header=place.name))
    query = query_parameters(request.path)
    for name in sorted({param for one in providers for param in one.params}):
        if name in query:
            issuers = _issuers(providers, name)
            found.append(Found(text=unquote(query[name]), issuers=issuers, param=name))
    names = sorted({cookie for one in providers for cookie in one.cookies})
    jar = cookies(request) if names else {}
    found += (
        Found(text=jar[name], issuers=_issuers(providers, name)) for name in names if name in jar
    )
    return found


def _issuers(providers: tuple[Provider, ...], place: HeaderPlace | str) -> frozenset[str]:
    issuers = {
        one.issuer
        for one in providers
        if place in one.headers or place in one.params or place in one.cookies
    }
    return frozenset() if "" in issuers else frozenset(issuers)


def _after(value: str, prefix: str) -> str | None:
    """Return what follows a prefix that stands anywhere in a header's value."""
    if not prefix:
        return value
    at = value.find(prefix)
    if at == -1:
        return None
    start = _TOKEN_START.search(value, at + len(prefix))
    return value if start is None else value[start.start() :]


def sanitized(request: Request, providers: tuple[Provider, ...]) -> Request:
    """Return the request without headers that only a verified token may set."""
    names = {name for one in providers for name, _ in one.claim_to_headers}
    names |= {one.payload_header for one in providers if one.payload_header}
    return with_headers(request, without(request.headers, names)) if names else request


def removed(request: Request, found: Found) -> Request:
    """Return the request without a token; one in a cookie stays."""
    if found.header:
        return with_headers(request, without(request.headers, {found.header}))
    if not found.param:
        return request
    path, _, query = request.path.partition("?")
    # What is left comes back sorted and decoded, as Envoy writes it.
    pairs = (part.partition("=") for part in query.split("&") if part)
    decoded = ((unquote(name), unquote(value)) for name, _, value in pairs)
    left = sorted(decoded, key=lambda pair: pair[0])
    text = "&".join(f"{name}={value}" for name, value in left if name != found.param)
    return Request(
        method=request.method,
        authority=request.authority,
        path=f"{path}?{text}" if text else path,
        headers=request.headers,
        scheme=request.scheme,
    )
