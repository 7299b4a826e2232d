"""Istio's own walks of a call through a proxy: listener, filter chain, route, cluster, or error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, partial
from typing import Any

from simulator.envoy.compile import Config
from simulator.envoy.compile import compile as compile_resources
from simulator.envoy.connection import Connection
from simulator.envoy.http import HttpChain
from simulator.envoy.listener import Listener, Miss, accept
from simulator.envoy.request import Request
from simulator.envoy.route import NoRoute, find
from simulator.envoy_api import Resources, unpack
from simulator.istiod.generate import generate
from tests.conformance.adapters.istio_proxy import mesh_and_pod
from tests.conformance.table import Case, Table

_ANY_ADDRESS = "1.3.3.7"
_CAPTURED = {"inbound": 15006, "outbound": 15001}
_ALPN = {
    "plaintext": {"http": "http/1.1", "http2": "h2c"},
    "tls": {"http": "http/1.1", "http2": "h2"},
    "mtls": {"http": "istio-http/1.1", "http2": "istio-h2", "tcp": "istio"},
}
_FIELDS = (
    "error", "listener", "filter_chain", "route_config", "virtual_host", "route", "cluster",
)  # fmt: skip


def cases(table: Table) -> Iterator[Case]:
    """Yield one case a call."""
    for at, scenario in enumerate(table.data["scenarios"]):
        proxy = cache(partial(_proxy, scenario))
        for number, call in enumerate(scenario["calls"]):
            yield Case(
                id=f"#{at}.{number} {scenario['id']}: {call['name']}",
                data={**scenario, "calls": [call]},
                check=partial(_check, proxy, scenario, call),
            )


def _proxy(scenario: dict[str, Any]) -> tuple[Resources, Config]:
    mesh, pod = mesh_and_pod(
        scenario["config"], scenario["proxy"], scenario.get("mesh_config") or {}
    )
    resources = generate(mesh, pod).resources
    return resources, compile_resources(resources)


def _check(proxy: Any, scenario: dict[str, Any], call: dict[str, Any]) -> str | None:
    resources, config = proxy()
    got = _walk(resources, config, scenario, call["call"])
    want = call["expect"]
    for field in _FIELDS:
        # What is not told does not matter, but for errors.
        if field not in want and field != "error" and not want.get("strict"):
            continue
        if not _same(got.get(field, ""), want.get(field) or ""):
            return f"{field}: expected {want.get(field)!r}, got {got.get(field)!r} ({got})"
    return None


def _same(got: str, want: str) -> bool:
    # The mesh of the cases has no domain, so that `a` means `a.default` there.
    return want in (got, got.removesuffix(".svc.cluster.local"))


def _walk(
    resources: Resources, config: Config, scenario: dict[str, Any], call: dict[str, Any]
) -> dict[str, str]:
    tls = call.get("tls") or "plaintext"
    protocol = call.get("protocol") or ""
    alpn = call.get("alpn") or _ALPN[tls].get(protocol, "")
    default = 15001 if scenario["proxy"].get("type") != "router" else None
    found = accept(
        config,
        Connection(
            address=call.get("address") or _ANY_ADDRESS,
            port=call["port"],
            listener_port=_CAPTURED.get(call.get("mode", ""), default),
            transport="raw_buffer" if tls == "plaintext" else "tls",
            alpn=(alpn,) if alpn else (),
            sni=call.get("sni") or (call.get("host", "") if tls == "tls" else ""),
        ),
    )
    if isinstance(found, Miss):
        if found.stage == "listener":
            return {"error": "NO_LISTENER"}
        return {"error": "NO_FILTER_CHAIN", **_listener(found.listener)}
    got = {**_listener(found.listener), "filter_chain": found.filter_chain.name}
    proto = _chain(resources, found.listener.name, found.filter_chain.index)
    if proto.HasField("transport_socket"):
        if tls == "plaintext":
            return {**got, "error": "TLS_ERROR"}
        secret = call.get("mtls_secret_config_name") or "default"
        if (secret in _certificates(proto)) != (tls == "mtls"):
            return {**got, "error": "MTLS_ERROR"}
    if found.http is None:
        clusters = found.tcp.clusters if found.tcp is not None else ()
        return {**got, "cluster": clusters[0].name if len(clusters) == 1 else ""}
    if protocol not in {"http", "http2"} or (
        tls != "plaintext" and not proto.HasField("transport_socket")
    ):
        return {**got, "error": "PROTOCOL_ERROR"}
    return {**got, **_route(config, found.http, call, tls)}


def _listener(listener: Listener | None) -> dict[str, str]:
    return {"listener": listener.name} if listener is not None else {}


def _route(config: Config, http: HttpChain, call: Mapping[str, Any], tls: str) -> dict[str, str]:
    got = {} if http.table is not None else {"route_config": http.route_config_name}
    table = http.route_table(config.routes)
    if table is None:
        return {**got, "error": "NO_VIRTUAL_HOST"}
    request = Request(
        method="GET",
        authority=call.get("host", ""),
        path=call.get("path") or "/",
        scheme="http" if tls == "plaintext" else "https",
    )
    found = find(table, request, 0)
    if isinstance(found, NoRoute):
        if found.virtual_host is None:
            return {**got, "error": "NO_VIRTUAL_HOST"}
        return {**got, "virtual_host": found.virtual_host.name, "error": "NO_ROUTE"}
    got["virtual_host"] = found.virtual_host.name
    if found.tls_redirect:
        return {**got, "error": "TLS_REDIRECT"}
    return {**got, "route": found.route.name, "cluster": found.route.cluster}


def _chain(resources: Resources, listener: str, index: int) -> Any:
    one = next(each for each in resources.listeners if each.name == listener)
    return one.default_filter_chain if index < 0 else one.filter_chains[index]


def _certificates(chain: Any) -> list[str]:
    context = unpack(chain.transport_socket.typed_config)
    configs = context.common_tls_context.tls_certificate_sds_secret_configs
    return [each.name for each in configs]
