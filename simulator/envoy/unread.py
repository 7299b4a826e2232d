"""Requests without their ids: each id is unique, and mostly nobody looks at it.

A request whose id is `UNREAD` is like many others, so that what is decided about one serves
all. Whoever looks at the id has to put it there first.
"""

from __future__ import annotations

from simulator.envoy.header_map import first, replaced, with_headers
from simulator.envoy.request import Request
from simulator.envoy.request_id import REQUEST_ID

UNREAD = "-"


def is_unread(request: Request) -> bool:
    """Say whether nobody has looked at a request's id."""
    return first(request.headers, REQUEST_ID) == UNREAD


def unread(request: Request) -> Request:
    """Return the request as it is before somebody looks at its id."""
    return identified(request, UNREAD)


def identified(request: Request, identity: str) -> Request:
    """Return the request with its id."""
    return with_headers(request, replaced(request.headers, REQUEST_ID, identity))
