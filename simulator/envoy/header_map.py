"""Headers as a proxy handles them: an ordered tuple of lower-case names and values.

Requests are remade several times at every hop; `with_headers` does it without the
introspection of `dataclasses.replace`, which would take most of a stream's time.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeAlias

from simulator.envoy.request import Request

Headers: TypeAlias = tuple[tuple[str, str], ...]
"""Name (lower-case) and value, in order; a name may come several times."""


def first(headers: Headers, name: str) -> str | None:
    """Return a header's first value."""
    for key, value in headers:
        if key == name:
            return value
    return None


def without(headers: Headers, names: Collection[str]) -> Headers:
    """Return the headers without those of the given names."""
    for key, _ in headers:
        if key in names:
            return tuple(pair for pair in headers if pair[0] not in names)
    return headers


def replaced(headers: Headers, name: str, value: str) -> Headers:
    """Return the headers with just one line `name`, where the first one was or at the end."""
    for at, (key, _) in enumerate(headers):
        if key == name:
            rest = tuple(pair for pair in headers[at + 1 :] if pair[0] != name)
            return (*headers[:at], (name, value), *rest)
    return (*headers, (name, value))


def with_headers(request: Request, headers: Headers) -> Request:
    """Return the request with other headers; itself if they are the same."""
    if headers is request.headers:
        return request
    return Request(
        method=request.method,
        authority=request.authority,
        path=request.path,
        headers=headers,
        scheme=request.scheme,
        body=request.body,
    )
