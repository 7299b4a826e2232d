"""Write Envoy's matchers for the values of policies, where `*` stands at one end.

Models    envoy.type.matcher.v3, envoy.config.route.v3.HeaderMatcher
Follows   istio pilot/pkg/security/authz/matcher
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Any

from simulator.envoy_api import message, pack

Message = dict[str, Any]
"""The fields of a message, by their proto names."""

_JWT_FILTER = "envoy.filters.http.jwt_authn"
_JWT_PAYLOAD = "payload"
_META = re.compile(r"[\\.+*?()|\[\]{}^$]")
_ONE_SEGMENT = "{*}"
_ANY_SEGMENTS = "{**}"
_TEMPLATE = "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"


def quote(text: str) -> str:
    """Return a regular expression for the very text."""
    return _META.sub(r"\\\g<0>", text)


def regex(pattern: str) -> Message:
    """Return a matcher of whole texts."""
    return {"safe_regex": {"regex": pattern}}


ANYTHING = regex(".+")


def string(value: str, prefix: str = "") -> Message:
    """Return a matcher of text; `prefix` stands before the value, except before a mere `*`."""
    if value == "*":
        return ANYTHING
    if value.startswith("*"):
        rest = value[1:]
        return regex(f"{prefix}.*{quote(rest)}") if prefix else {"suffix": rest}
    if value.endswith("*"):
        return {"prefix": prefix + value[:-1]}
    return {"exact": prefix + value}


def any_of(values: Sequence[Message]) -> Message:
    """Return a value matcher for one of several."""
    return values[0] if len(values) == 1 else {"or_match": {"value_matchers": list(values)}}


def strings(values: Sequence[str]) -> Message:
    """Return a value matcher for one of several texts."""
    return any_of([{"string_match": string(each)} for each in values])


def header(name: str, value: str) -> Message:
    """Return a matcher of a header's value."""
    if value == "*":
        return {"name": name, "present_match": True}
    return {"name": name, "string_match": string(value)}


def joined_header(name: str, value: str) -> Message:
    """Return a matcher of one of a header's values, which are joined by commas."""
    if value == "*":
        return {"name": name, "present_match": True}
    if value.startswith("*"):
        one = f".*{quote(value[1:])}"
    elif value.endswith("*"):
        one = f"{quote(value[:-1])}.*"
    else:
        one = quote(value)
    pattern = f"^{one}$|^{one},.*|.*,{one},.*|.*,{one}$"
    return {"name": name, "safe_regex_match": {"regex": pattern}}


def host(value: str) -> Message:
    """Return a matcher of the host that is asked for, in letters of any case."""
    found = header(":authority", value)
    if "string_match" in found:
        found["string_match"] = {**found["string_match"], "ignore_case": True}
    return found


def path(value: str) -> Message:
    """Return the permission for a path without its query."""
    if _ONE_SEGMENT in value or _ANY_SEGMENTS in value:
        template = value.replace(_ONE_SEGMENT, "*").replace(_ANY_SEGMENTS, "**")
        config = message(_TEMPLATE)(path_template=template)
        return {"uri_template": {"name": "uri-template", "typed_config": pack(config)}}
    return {"url_path": {"path": string(value)}}


def cidr(value: str) -> Message:
    """Return a range of addresses. Raises ValueError for text that is none."""
    written, _, length = value.partition("/")
    address = ipaddress.ip_address(written)
    if "/" in value:
        ipaddress.ip_network(value, strict=False)
    prefix = int(length) if length else address.max_prefixlen
    return {"address_prefix": str(address), "prefix_len": {"value": prefix}}


def metadata(filter_: str, keys: Sequence[str], value: Message) -> Message:
    """Return a matcher of what a filter has noted down."""
    return {"filter": filter_, "path": [{"key": each} for each in keys], "value": value}


def in_list(value: Message) -> Message:
    """Return a value matcher for lists that hold a value."""
    return {"list_match": {"one_of": value}}


def claim(name: str, value: Message) -> Message:
    """Return a matcher of a claim that is text."""
    return metadata(_JWT_FILTER, [_JWT_PAYLOAD, name], {"string_match": value})


def claims(keys: Sequence[str], values: Sequence[str]) -> Message:
    """Return a matcher of a claim that is text or a list of texts."""
    return claims_where(keys, strings(values))


def claims_where(keys: Sequence[str], one: Message) -> Message:
    """Return a matcher of a claim whose text, or one of whose texts, a value matcher takes."""
    either = {"or_match": {"value_matchers": [in_list(one), one]}}
    return metadata(_JWT_FILTER, [_JWT_PAYLOAD, *keys], either)
