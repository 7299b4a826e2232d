"""Apply patches to a listener: itself, its chains, their filters, and the HTTP filters inside.

Follows   istio pilot/pkg/networking/core/envoyfilter/listener_patch.go
"""

from __future__ import annotations

from typing import Any

from simulator.config.istio import ListenerMatch
from simulator.envoy_api import pack, unpack
from simulator.istiod.patches.merge import into_list, merge
from simulator.istiod.patches.patch import Context, Placed
from simulator.istiod.patches.routes import patched_table

_HCM = "envoy.filters.network.http_connection_manager"
_VIRTUAL = frozenset({"virtualInbound", "virtualOutbound"})


def patched_listener(listener: Any, found: list[Placed], context: Context) -> Any | None:  # noqa: ANN401 - protobuf
    """Return a listener as the patches leave it: the same one if none is for it, None if gone."""
    own = [each for each in found if _of(each, listener)]
    copy = type(listener)()
    copy.CopyFrom(listener)
    changed = False
    for patch in own:
        if not patch.about("LISTENER", context):
            continue
        if patch.operation == "REMOVE":
            return None
        if patch.operation == "MERGE" and patch.value is not None:
            merge(copy, patch.value)
            changed = True
    inspecting = [each for each in own if each.about("LISTENER_FILTER", context)]
    changed |= into_list(copy.listener_filters, inspecting, _names_filter, _filter_named)
    changed |= _chains(copy, own, context)
    chains = [*copy.filter_chains]
    if copy.HasField("default_filter_chain"):
        chains.append(copy.default_filter_chain)
    for chain in chains:
        changed |= _filters(copy.name, chain, own, found, context)
    return copy if changed else listener


def _match(patch: Placed) -> ListenerMatch | None:
    return patch.spec.match.listener if patch.spec.match is not None else None


def _of(patch: Placed, listener: Any) -> bool:  # noqa: ANN401 - protobuf
    match = _match(patch)
    if match is None:
        return True
    if match.name and match.name != listener.name:
        return False
    if patch.spec.apply_to != "LISTENER" and listener.name in _VIRTUAL:
        # There a port is told by the chain.
        return True
    port = listener.address.socket_address.port_value
    return match.port_number in {0, port}


def _names_filter(patch: Placed, item: Any) -> bool:  # noqa: ANN401 - protobuf
    match = _match(patch)
    return match is None or match.listener_filter in {"", item.name}


def _filter_named(patch: Placed) -> bool:
    match = _match(patch)
    return match is not None and bool(match.listener_filter)


def _chains(listener: Any, own: list[Placed], context: Context) -> bool:  # noqa: ANN401 - protobuf
    changed = False
    for patch in own:
        if not patch.about("FILTER_CHAIN", context):
            continue
        if patch.operation == "ADD" and patch.value is not None:
            listener.filter_chains.append(patch.value)
            changed = True
            continue
        for at in reversed(range(len(listener.filter_chains))):
            chain = listener.filter_chains[at]
            if not _fits(patch, listener.name, chain):
                continue
            if patch.operation == "MERGE" and patch.value is not None:
                merge(chain, patch.value)
                changed = True
            elif patch.operation == "REMOVE":
                del listener.filter_chains[at]
                changed = True
    return changed


def _fits(patch: Placed, listener: str, chain: Any) -> bool:  # noqa: ANN401 - protobuf
    match = _match(patch)
    if match is None:
        return True
    asked = chain.filter_chain_match
    port = asked.destination_port.value
    if listener in _VIRTUAL and match.port_number not in {0, port}:
        return False
    wanted = match.filter_chain
    if wanted is None:
        return True
    return (
        wanted.name in {"", chain.name}
        and (not wanted.sni or wanted.sni in asked.server_names)
        and wanted.transport_protocol in {"", asked.transport_protocol}
        and wanted.destination_port in {0, port}
        and all(
            each in asked.application_protocols
            for each in filter(None, wanted.application_protocols.split(","))
        )
    )


def _filters(
    listener: str,
    chain: Any,  # noqa: ANN401 - protobuf
    own: list[Placed],
    found: list[Placed],
    context: Context,
) -> bool:
    fitting = [each for each in own if _fits(each, listener, chain)]
    network = [each for each in fitting if each.about("NETWORK_FILTER", context)]
    changed = into_list(chain.filters, network, _is_network, _network_named)
    inside = [each for each in fitting if each.about("HTTP_FILTER", context)]
    for each in chain.filters:
        if each.name != _HCM:
            continue
        manager = unpack(each.typed_config)
        wanted = [one for one in inside if _is_network(one, each)]
        touched = into_list(manager.http_filters, wanted, _is_http, _http_named)
        if manager.HasField("route_config"):
            table = patched_table(manager.route_config, found, context)
            if table is not manager.route_config:
                manager.route_config.CopyFrom(table)
                touched = True
        if touched:
            each.typed_config.CopyFrom(pack(manager))
            changed = True
    return changed


def _is_network(patch: Placed, item: Any) -> bool:  # noqa: ANN401 - protobuf
    match = _match(patch)
    wanted = match.filter_chain.filter if match is not None and match.filter_chain else None
    return wanted is None or wanted.name in {"", item.name}


def _network_named(patch: Placed) -> bool:
    match = _match(patch)
    wanted = match.filter_chain.filter if match is not None and match.filter_chain else None
    return wanted is not None and bool(wanted.name)


def _is_http(patch: Placed, item: Any) -> bool:  # noqa: ANN401 - protobuf
    wanted = _sub_filter(patch)
    return wanted in {"", item.name}


def _http_named(patch: Placed) -> bool:
    return bool(_sub_filter(patch))


def _sub_filter(patch: Placed) -> str:
    match = _match(patch)
    chain = match.filter_chain if match is not None else None
    if chain is None or chain.filter is None or chain.filter.sub_filter is None:
        return ""
    return chain.filter.sub_filter.name
