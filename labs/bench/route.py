"""Route requests through a table of 100 virtual hosts with 10 routes each.

Measured against the smallest thing that an engine does: put one event into a heap and
take it out again.
"""

from __future__ import annotations

from functools import cache
from heapq import heappop, heappush

from simulator.envoy.compile import compile_route_table
from simulator.envoy.request import Request
from simulator.envoy.route import find
from simulator.envoy.route_table import RouteTable
from simulator.envoy_api import parse

_HOSTS = 100
_ROUTES = 10


@cache
def _table() -> RouteTable:
    hosts = [
        {
            "name": f"h{host}",
            "domains": [f"s{host}.default.svc.cluster.local", f"*.s{host}.example"],
            "routes": [
                {"match": {"prefix": f"/api/{route}/"}, "route": {"cluster": f"c{host}-{route}"}}
                for route in range(_ROUTES)
            ],
        }
        for host in range(_HOSTS)
    ]
    value = {"name": "r", "virtual_hosts": hosts}
    return compile_route_table(parse(value, "envoy.config.route.v3.RouteConfiguration"))


@cache
def _requests(count: int) -> tuple[Request, ...]:
    headers = (("x-forwarded-proto", "http"), ("accept", "*/*"), ("user-agent", "curl/8"))
    return tuple(
        Request(
            method="GET",
            authority=f"s{n % _HOSTS}.default.svc.cluster.local",
            path=f"/api/{n // _HOSTS % _ROUTES}/x",
            headers=headers,
        )
        for n in range(count)
    )


def again(count: int) -> int:
    """Route so many requests, of shapes that come again and again; return their number."""
    table, requests = _table(), _requests(_HOSTS * _ROUTES)
    for n in range(count):
        find(table, requests[n % len(requests)], 0)
    return count


def first(count: int) -> int:
    """Route so many requests, none of whose shape was routed before; return their number."""
    table = _table()
    for request in _requests(count):
        table.known.clear()
        find(table, request, 0)
    return count


def events(count: int) -> int:
    """Put so many events into a heap of a thousand, and take as many out."""
    queue = [(n, 0, n, None, None) for n in range(1000)]
    for n in range(1000, 1000 + count):
        heappush(queue, (n, 0, n, None, None))
        heappop(queue)
    return count
