"""What was found before is found again: remembering a route changes nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sandbox.fidelity.generate import batch
from sandbox.fidelity.generate.case import Ask, is_http, the_manager
from simulator.envoy.compile import compile_route_table
from simulator.envoy.request import Request
from simulator.envoy.route import NoRoute, RouteMatch, find
from simulator.envoy_api import parse


def asked(ask: Ask) -> Request:
    headers = (("x-forwarded-proto", "http"), *ask.headers)
    return Request(method=ask.method, authority=ask.host, path=ask.path, headers=headers)


def bare(found: RouteMatch | NoRoute) -> RouteMatch | NoRoute:
    return replace(found, node=None)


NUMBERS = [number for number in range(40) if is_http(batch(11, number, 1).listener)]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_route_is_found_as_if_nothing_were_remembered(number: int) -> None:
    made = batch(11, number, 20)
    table = compile_route_table(
        parse(
            the_manager(made.listener)["route_config"], "envoy.config.route.v3.RouteConfiguration"
        )
    )
    requests = [asked(ask) for ask in made.asks if isinstance(ask, Ask)]

    for random in (0, 60):
        for request in (*requests, *reversed(requests)):
            assert find(table, request, random) == bare(find(table, request, random, explain=True))


def test_what_is_remembered_is_bounded() -> None:
    route = {"match": {"prefix": "/"}, "route": {"cluster": "c"}}
    host = {"name": "h", "domains": ["*"], "routes": [route]}
    table = compile_route_table(
        parse({"name": "r", "virtual_hosts": [host]}, "envoy.config.route.v3.RouteConfiguration")
    )

    for number in range(10_000):
        find(table, Request(method="GET", authority="a", path=f"/{number}"), 0)

    assert 0 < len(table.known) <= 4096
