"""Send single requests into a world and write down what each proxy saw."""

from __future__ import annotations

from collections.abc import Callable

from simulator.config.scenario import Request as Wanted
from simulator.engine import client as clients
from simulator.engine.ask import Ask
from simulator.engine.crossing import Crossing
from simulator.engine.exchange import Playback, Trace
from simulator.engine.lookup import lookup
from simulator.engine.opening import BYTES
from simulator.engine.proxy_node import ProxyNode
from simulator.engine.resolve import OUTSIDE
from simulator.engine.world import World
from simulator.envoy.access_log import Record, written
from simulator.envoy.access_log import node as log_node
from simulator.envoy.commands import Response
from simulator.envoy.listener import Miss
from simulator.envoy.tls import spiffe
from simulator.istiod.registry import Mesh
from simulator.observe.explain import FieldRef, Node, Outcome
from simulator.observe.headers import shown
from simulator.observe.observation import Hop, Observation, Tls, Upstream, of_hops, tls_of

BODY_LENGTH = 4096
MAX_EVENTS = 20_000
"""For one request, with all that it causes."""

Source = Callable[[str, FieldRef], str | None]
"""Returns the manifest position behind a field of a proxy's (`POD.NS`) configuration."""


def probe(
    world: World,
    wanted: Wanted,
    *,
    id: str,  # noqa: A002 - the observation's field
    n: int,
    source: Source | None = None,
    playback: Playback | None = None,
) -> Observation:
    """Send one request and let the world come to rest; `source` asks for explanations.

    Raises simulator.istiod.registry.UnknownProxyError for an unknown client or `via`.
    """
    client = None if wanted.from_ == OUTSIDE else world.mesh.pod(wanted.from_)
    if wanted.protocol == "dns":
        return lookup(world.mesh, client, wanted, id=id, n=n)
    target = world.target(client, wanted.url, wanted.via)
    trace = Trace(n, keep=True, explain=source is not None, playback=playback)
    ask = Ask(world, target, trace, _ignore)
    opening = clients.opening(world.mesh, wanted)
    ask.send(client, clients.request(target, wanted), opening)
    world.agenda.drain(MAX_EVENTS)
    crossings = trace.crossings or []
    response = ask.answer_ if isinstance(ask.answer_, Response) else None
    http = opening.speaks != BYTES
    return of_hops(
        tuple(hop(world.mesh, crossing) for crossing in crossings),
        id=id,
        n=n,
        status=response.status if response and http else None,
        duration_ns=ask.ended_ns - ask.started_ns if ask.ended_ns >= 0 else None,
        response_headers=shown(response.headers) if response and http else None,
        body=response.body[:BODY_LENGTH] if response else None,
        error=ask.error if http or response is None else _misread(response),
        explain=_explained(wanted, ask, source) if source else None,
    )


def _misread(response: Response) -> str | None:
    """Return what a client of plain bytes makes of an answer; None: it is what it hoped for."""
    if not response.headers:
        return None
    return f"the answer is HTTP, with the status {response.status}"


def hop(mesh: Mesh, crossing: Crossing) -> Hop:
    """Return what a proxy's access log would say of a request."""
    record = crossing.record()
    headers = record.request_headers_upstream
    ended = crossing.ended_ns >= 0
    return Hop(
        proxy=crossing.node.pod.ref,
        direction=crossing.direction,
        status=record.status,
        response_flags=record.flags,
        details=record.details or None,
        protocol=crossing.protocol,
        route=record.route,
        virtual_host=record.virtual_host,
        cluster=record.cluster,
        upstream=upstream(mesh, record.endpoint) if record.endpoint else None,
        attempts=record.attempts,
        duration_ns=crossing.ended_ns - crossing.received_ns if ended else None,
        request_headers_upstream=shown(headers) if headers is not None else None,
        tls=_tls(crossing, record),
        logged=written(crossing.entries()) if ended and _logs(crossing) else None,
    )


def _logs(crossing: Crossing) -> bool:
    """Say whether the proxy keeps logs of such requests."""
    accepted = crossing.accepted
    chain = accepted.http or accepted.tcp
    return bool(accepted.listener.access_logs or (chain is not None and chain.access_logs))


def _tls(crossing: Crossing, record: Record) -> Tls | None:
    """Return how the connection to the next proxy was secured, or on the way in, to this one."""
    if crossing.direction == "inbound":
        ends = crossing.accepted.filter_chain.tls is not None
        connection = crossing.connection
        return tls_of(spiffe(connection.peer), spiffe(connection.local)) if ends else Tls()
    if not record.attempts or "UF" in record.flags or record.endpoint is None:
        return None
    if crossing.secured is None:
        return Tls()
    ip = record.endpoint.rpartition(":")[0].strip("[]")
    server = crossing.node.world.identity_of(ip)
    return tls_of(spiffe(crossing.secured.certificate), server)


def upstream(mesh: Mesh, address: str) -> Upstream:
    """Return whose address it is."""
    ip = address.rpartition(":")[0].strip("[]")
    for pod in mesh.pods:
        if pod.ip == ip:
            return Upstream(
                address=address,
                pod=pod.ref,
                workload=pod.deployment,
                version=pod.version or None,
            )
    return Upstream(address=address)


def _explained(wanted: Wanted, ask: Ask, source: Source) -> Node:
    answer = ask.answer_
    if isinstance(answer, Response):
        reason = f"{wanted.from_} is answered {answer.status}"
    else:
        reason = f"{wanted.from_} gets no response: {ask.error}"
    return Node(
        what="request",
        name=f"{wanted.method} {wanted.url}",
        outcome=Outcome.NOTE,
        reason=reason,
        children=(
            *(_explained_hop(crossing, source) for crossing in ask.trace.crossings or ()),
            *(_explained_miss(*miss, source) for miss in ask.trace.misses),
        ),
    )


def _explained_miss(node: ProxyNode, direction: str, miss: Miss, source: Source) -> Node:
    proxy = node.pod.ref
    return Node(
        what="proxy",
        name=f"{proxy} {direction}",
        outcome=Outcome.REJECTED,
        reason=f"closes the connection: no {miss.stage} takes it",
        children=(_sourced(miss.node, proxy, source),) if miss.node else (),
    )


def _explained_hop(crossing: Crossing, source: Source) -> Node:
    proxy = crossing.node.pod.ref
    logs = (log_node(*entry) for entry in crossing.entries()) if crossing.ended_ns >= 0 else ()
    children = (crossing.accepted.node, crossing.reasons, *logs)
    return Node(
        what="proxy",
        name=f"{proxy} {crossing.direction}",
        outcome=Outcome.NOTE,
        reason=crossing.outcome,
        children=tuple(_sourced(child, proxy, source) for child in children if child),
    )


def _sourced(node: Node, proxy: str, source: Source) -> Node:
    """Return the tree with the manifest's place at each node that has a field."""
    return Node(
        what=node.what,
        name=node.name,
        outcome=node.outcome,
        reason=node.reason,
        field=node.field,
        source=source(proxy, node.field) if node.field else node.source,
        children=tuple(_sourced(child, proxy, source) for child in node.children),
    )


def _ignore(ask: Ask) -> None:
    del ask
