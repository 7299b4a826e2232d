"""The listeners of a proxy as `istioctl proxy-config listeners` shows them.

Follows   istio istioctl/pkg/writer/envoy/configdump/listener.go
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from simulator.envoy_api import name_of, unpack
from simulator.istiod import names
from simulator.istiod.istioctl.routes import destination, matched
from simulator.istiod.istioctl.table import Table

_HTTP = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_TCP = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
_PLAIN = ["http/1.0", "http/1.1", "h2c"]
_PROTOCOLS = {
    "HTTP TLS": [*_PLAIN, "istio-http/1.0", "istio-http/1.1", "istio-h2"],
    "Istio HTTP Plain": ["istio", "istio-http/1.0", "istio-http/1.1", "istio-h2"],
    "TCP TLS": ["istio-peer-exchange", "istio"],
    "HTTP": _PLAIN,
}


def select(
    listeners: Iterable[Any], *, address: str = "", port: int = 0, kind: str = ""
) -> tuple[Any, ...]:
    """Return those at an address, on a port, of a kind (HTTP, TCP, HTTP+TCP); by port."""
    chosen = (
        each
        for each in listeners
        if (not address or address.lower() == _addresses(each)[0].lower())
        and (not port or port == _port(each))
        and (not kind or kind.lower() == _kind(each).lower())
    )
    return tuple(sorted(chosen, key=lambda each: (_port(each), _addresses(each), _kind(each))))


def table(listeners: Iterable[Any]) -> Table:
    """Return a row for each filter chain."""
    rows = [
        (",".join(_addresses(each)), str(_port(each)), match, leads_to)
        for each in listeners
        for match, leads_to in sorted(_chains(each), key=lambda one: one[1], reverse=True)
    ]
    return Table(columns=("ADDRESSES", "PORT", "MATCH", "DESTINATION"), rows=tuple(rows))


def inline_routes(listeners: Iterable[Any]) -> Iterator[Any]:
    """Yield the route configurations that stand in listeners themselves, each once."""
    seen: list[Any] = []
    for each in listeners:
        for chain in _all_chains(each):
            for kind, config in _configs(chain):
                if kind == _HTTP and config.HasField("route_config"):
                    inline = config.route_config
                    if inline not in seen:
                        seen.append(inline)
                        yield inline


def _addresses(listener: Any) -> list[str]:  # noqa: ANN401 - made at run time
    more = (each.address for each in listener.additional_addresses)
    return [each.socket_address.address for each in (listener.address, *more)]


def _port(listener: Any) -> int:  # noqa: ANN401 - made at run time
    return int(listener.address.socket_address.port_value)


def _kind(listener: Any) -> str:  # noqa: ANN401 - made at run time
    found = {
        kind
        for chain in _all_chains(listener)
        for kind, config in _configs(chain)
        if not _black_hole(kind, config)
    }
    known = [short for kind, short in ((_HTTP, "HTTP"), (_TCP, "TCP")) if kind in found]
    return "+".join(known) or "UNKNOWN"


def _all_chains(listener: Any) -> Iterator[Any]:  # noqa: ANN401 - made at run time
    yield from listener.filter_chains
    if listener.HasField("default_filter_chain"):
        yield listener.default_filter_chain


def _configs(chain: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - made at run time
    for each in chain.filters:
        kind = each.typed_config.type_url.rpartition("/")[2]
        if kind in (_HTTP, _TCP):
            config = unpack(each.typed_config)
            yield name_of(config), config


def _black_hole(kind: str, config: Any) -> bool:  # noqa: ANN401 - made at run time
    return kind == _TCP and config.cluster == names.BLACK_HOLE


def _chains(listener: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - made at run time
    for chain in _all_chains(listener):
        yield "; ".join(_conditions(chain.filter_chain_match)) or "ALL", _leads_to(chain)


def _conditions(match: Any) -> Iterator[str]:  # noqa: ANN401 - made at run time
    if match.server_names:
        yield f"SNI: {','.join(match.server_names)}"
    if match.transport_protocol:
        yield f"Trans: {match.transport_protocol}"
    if match.application_protocols:
        wanted = list(match.application_protocols)
        known = (name for name, protocols in _PROTOCOLS.items() if protocols == wanted)
        yield f"App: {next(known, ','.join(wanted))}"
    port = f":{match.destination_port.value}" if match.HasField("destination_port") else ""
    if match.prefix_ranges:
        ranges = (f"{each.address_prefix}/{each.prefix_len.value}" for each in match.prefix_ranges)
        yield f"Addr: {','.join(ranges)}{port}"
    elif port:
        yield f"Addr: *{port}"


def _leads_to(chain: Any) -> str:  # noqa: ANN401 - made at run time
    for kind, config in _configs(chain):
        if kind == _TCP and not _black_hole(kind, config):
            weighted = [each.name for each in config.weighted_clusters.clusters]
            return destination(", ".join(weighted) or config.cluster)
        if kind == _HTTP and config.HasField("route_config"):
            return _inline(config.route_config)
        if kind == _HTTP:
            name = config.rds.route_config_name
            return f"Route: {name}" if name else "HTTP"
    return "Non-HTTP/Non-TCP"


def _inline(config: Any) -> str:  # noqa: ANN401 - made at run time
    hosts = config.virtual_hosts
    if len(hosts) == 1 and list(hosts[0].domains) == ["*"] and len(hosts[0].routes) == 1:
        (only,) = hosts[0].routes
        if only.match.prefix == "/" and only.route.cluster:
            return destination(only.route.cluster)
    shown = []
    for host in hosts:
        domains = "" if list(host.domains) == ["*"] else "/".join(host.domains) + " "
        shown.append(domains + ", ".join(matched(each.match) for each in host.routes))
    return f"Inline Route: {'; '.join(shown)}"
