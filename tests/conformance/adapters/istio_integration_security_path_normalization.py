"""Istio's own expectations of paths: what a workload sees behind its sidecar."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from typing import Any

from simulator.envoy.commands import Attempt, Finish
from simulator.envoy.compile import compile as compile_resources
from simulator.envoy.connection import Connection
from simulator.envoy.draws import Listed
from simulator.envoy.listener import Accepted
from simulator.envoy.proxy import Proxy
from simulator.envoy.request import Request
from simulator.istiod.generate import generate
from tests.conformance.adapters.istio_proxy import mesh_and_pod
from tests.conformance.table import Case, Table
from tests.support.mesh import PORT, service

_ADDRESS = "1.1.1.1"
_WORKLOAD = {"type": "sidecar", "ip_addresses": [_ADDRESS], "labels": {"app": "app"}}


def cases(table: Table) -> Iterator[Case]:
    """Yield one case a path."""
    for at, one in enumerate(table.data["cases"]):
        yield Case(id=f"#{at} {one['mode']} {one['in']}", data=one, check=partial(_check, one))


@cache
def _proxy(mode: str) -> Proxy:
    config = {"pathNormalization": {"normalization": mode}}
    mesh, pod = mesh_and_pod(service("app"), _WORKLOAD, config)
    return Proxy(compile_resources(generate(mesh, pod).resources), pod.ref)


def _check(one: dict[str, Any]) -> str | None:
    proxy = _proxy(one["mode"])
    connection = Connection(
        address=_ADDRESS, port=PORT, listener_port=15006, alpn=("http/1.1",), source_ip="1.1.1.2"
    )
    accepted = proxy.accept(connection)
    assert isinstance(accepted, Accepted)
    assert accepted.http is not None
    # A client keeps the fragment to itself.
    path = one["in"].partition("#")[0]
    request = Request(method="GET", authority="app", path=path)
    stream = proxy.stream(accepted.http, request, Listed(), connection=connection)
    command = stream.start(0)
    got = command.request.path if isinstance(command, Attempt) else _status(command)
    want = one["out"] if "out" in one else one["status"]
    return None if got == want else f"expected {want}, got {got}"


def _status(command: object) -> int | None:
    answered = isinstance(command, Finish) and command.response is not None
    return command.response.status if answered else None  # type: ignore[attr-defined]
