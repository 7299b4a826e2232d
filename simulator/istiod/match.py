"""Write a VirtualService's match condition as Envoy's.

Models    envoy.config.route.v3.RouteMatch
Follows   istio pilot/pkg/networking/core/route/route.go (TranslateRouteMatch, IsCatchAllRoute)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from simulator.config.istio import HTTPMatchRequest, StringMatch
from simulator.config.objects import Object
from simulator.istiod.authz.matchers import claims_where
from simulator.istiod.part import Part, wrapped

CLAIMS = "@request.auth.claims"
"""Header names that begin so stand for a JWT's claims."""
_BRACKETS = re.compile(r"\[([^\[\]]+)\]")


def route_match(
    match: HTTPMatchRequest | None, source: Object | None, at: str, *, by_element: bool = False
) -> Part:
    """Return the match of one route; without a condition it takes every request.

    Prefixes are of text, or `by_element` of the path: then `/a` does not take `/ab`.
    """
    part = Part(value={"prefix": "/"})
    if match is None:
        return part
    part.note("", source, at)
    if match.uri is not None:
        _path(part, match.uri, source, f"{at}.uri", by_element=by_element)
    part.put("case_sensitive", wrapped(not match.ignore_uri_case))
    part.list("headers", _headers(match, source, at))
    claimed = _claims(match, source, at)
    if claimed:
        part.list("dynamic_metadata", claimed)
    queries = [
        _named(name, value, source, f"{at}.queryParams.{name}")
        for name, value in sorted((match.query_params or {}).items())
    ]
    part.list("query_parameters", queries)
    return part


def _path(
    part: Part, uri: StringMatch, source: Object | None, place: str, *, by_element: bool
) -> None:
    if uri.exact is not None:
        part.put("path", uri.exact, source, place)
    elif uri.regex is not None:
        part.put("safe_regex", {"regex": uri.regex}, source, place)
    elif by_element and uri.prefix not in {None, "/"}:
        part.put("path_separated_prefix", uri.prefix, source, place)
    elif uri.prefix is not None:
        part.put("prefix", uri.prefix, source, place)
        return
    else:
        return
    del part.value["prefix"]


def _headers(match: HTTPMatchRequest, source: Object | None, at: str) -> list[Part]:
    headers = [
        _named(name, value, source, f"{at}.headers.{name}")
        for name, value in match.headers.items()
        if claim_of(name) is None
    ]
    for name, value in match.without_headers.items():
        if claim_of(name) is not None:
            continue
        header = _named(name, value, source, f"{at}.withoutHeaders.{name}")
        header.value["invert_match"] = True
        # Envoy refuses the two together.
        if not present(value):
            header.value["treat_missing_header_as_empty"] = True
        headers.append(header)
    headers.sort(key=lambda each: str(each.value["name"]))
    pseudo: Mapping[str, tuple[str, StringMatch | None]] = {
        ":method": ("method", match.method),
        ":authority": ("authority", match.authority),
        ":scheme": ("scheme", match.scheme),
    }
    headers.extend(
        _named(name, value, source, f"{at}.{field}")
        for name, (field, value) in pseudo.items()
        if value is not None
    )
    return headers


def claim_of(header: str) -> list[str] | None:
    """Return the path of the claim that a header's name stands for; None for a real header.

    Parts are told apart by dots, or in brackets where they have dots themselves.
    """
    if not header.lower().startswith(CLAIMS):
        return None
    rest = header[len(CLAIMS) :]
    if rest[:1] == ".":
        found = rest[1:].split(".")
        return found if all(found) else None
    found = _BRACKETS.findall(rest)
    return found if found and "".join(f"[{each}]" for each in found) == rest else None


def _claims(match: HTTPMatchRequest, source: Object | None, at: str) -> list[Part]:
    found = []
    for field, written, invert in (
        (match.headers, "headers", False),
        (match.without_headers, "withoutHeaders", True),
    ):
        for name, value in sorted(field.items()):
            claim = claim_of(name)
            if claim is None:
                continue
            part = Part(value=claims_where(claim, {"string_match": string_match(value)}))
            if invert:
                part.value["invert"] = True
            part.note("", source, f"{at}.{written}.{name}")
            found.append(part)
    return found


def _named(name: str, value: StringMatch | None, source: Object | None, place: str) -> Part:
    part = Part(value={"name": name})
    part.note("", source, place)
    if value is None or present(value):
        part.value["present_match"] = True
    else:
        part.value["string_match"] = string_match(value)
    return part


def present(value: StringMatch | None) -> bool:
    """Say whether a condition only asks that there is a value."""
    if value is None or value.regex == "*":
        return True
    return value.exact is None and value.prefix is None and value.regex is None


def string_match(value: StringMatch) -> dict[str, Any]:
    """Return an `envoy.type.matcher.v3.StringMatcher`."""
    if value.exact is not None:
        return {"exact": value.exact}
    if value.prefix is not None:
        return {"prefix": value.prefix}
    return {"safe_regex": {"regex": value.regex or ""}}


def catches_all(route: Mapping[str, Any]) -> bool:
    """Say whether no request gets past a route."""
    match = route["match"]
    everything = "/" in {match.get("prefix"), match.get("path_separated_prefix")}
    if not everything and match.get("safe_regex", {}).get("regex") != ".*":
        return False
    return not any(match.get(each) for each in ("headers", "query_parameters", "dynamic_metadata"))
