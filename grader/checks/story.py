"""Why a request ended as it did, told to a learner: the answer, the flags, the tries, the rule.

Only what decided is told. A request that went wrong on its way is followed to the proxy where
it did; one that was to reach a workload is told by all the rules that it met.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from grader.checks.expectation import short, times, workload_of
from grader.evidence import Seen
from simulator.config.scenario import Request
from simulator.diagnostics import Diagnostic
from simulator.observe.explain import Node, Outcome
from simulator.observe.observation import Hop, Observation

_FLAGS = {
    "FI": "FI: {who} made up this answer itself, because a fault is injected "
    "there. A fault acts before the router, so that rule's retries and time-out cannot help.",
    "DI": "DI: {who} held the request back, because a delay is injected there. A "
    "delay acts before the router, so that rule's retries and time-out cannot help.",
    "NR": "NR: no rule that {who} knows matched it.",
    "NC": "NC: its rule leads to {cluster}, which does not exist. A subset has to be defined in "
    "a DestinationRule.",
    "UH": "UH: nothing healthy stands behind {cluster}.",
    "UF": "UF: no connection to {cluster} could be made.",
    "UT": "UT: {who} waited until the time was up.",
    "URX": "URX: the retries were used up.",
    "UO": "UO: a circuit breaker was open.",
    "UC": "UC: the connection was closed before the answer came.",
    "DC": "DC: the caller hung up before the answer came.",
}
"""Envoy's response flags, as sentences."""
_DEFAULT_ROUTE = "default"
"""Istio's own name for the route to a Service that no VirtualService speaks of."""


def told(found: Diagnostic) -> str:
    """Return a finding in a sentence: where, what about, what is wrong."""
    place = f"{found.position}: " if found.position else ""
    subject = f"{found.resource}: " if found.resource else ""
    return f"{place}{subject}{found.message} [{found.code}]"


def numbered(request: Request, observation: Observation) -> str:
    """Return a request's name in a sentence: which one, and what sets it apart."""
    apart = [f"number {observation.n + 1} of {request.count}"] if request.count > 1 else []
    apart += [f"{key}: {value}" for key, value in request.headers.items()]
    return f"Request {observation.id}" + (f" ({', '.join(apart)})" if apart else "")


def why(seen: Seen, observation: Observation, *, whole_way: bool = False) -> str:
    """Return sentences, each after a space, on how it came that this was observed.

    They are about the proxy that decided, or about all on the request's way.
    """
    outgoing = [each for each in observation.hops if each.direction != "inbound"]
    if not outgoing:
        return ""
    node = seen.explanation(observation)
    decisive = _decisive(outgoing)
    parts = [*_answer(decisive, node), *_tries(outgoing)]
    parts += _met(seen, node) if whole_way else _rule(seen, _proxy(node, decisive), decisive)
    return "".join(f" {part}" for part in parts)


def _decisive(outgoing: list[Hop]) -> Hop:
    """Return the first proxy or, of a request that failed at it, the last where a call failed."""
    if not _bad(outgoing[0]):
        return outgoing[0]
    return [each for each in outgoing if _bad(each)][-1]


def _bad(hop: Hop) -> bool:
    return hop.status is None or hop.status >= 500


def _answer(hop: Hop, node: Node | None) -> Iterator[str]:
    who, cluster = _who(hop), _cluster(hop, node)
    flags = [flag for flag in sorted(hop.response_flags) if flag in _FLAGS]
    yield from (_FLAGS[flag].format(who=who, cluster=cluster) for flag in flags)
    served = hop.upstream.workload if hop.upstream else None
    if served is None and not flags and hop.status is not None:
        yield f"{who[0].upper()}{who[1:]} answered so itself."
    elif _bad(hop) and served and not flags:
        alone = (hop.attempts or 0) < 2
        also = f", and no rule says to try again after a {hop.status}" if alone else ""
        yield f"{short(served)} itself answered so{also}."


def _who(hop: Hop) -> str:
    kind = "gateway" if hop.direction == "gateway" else "sidecar of"
    return f"the {kind} {short(workload_of(hop.proxy))}"


def _cluster(hop: Hop, node: Node | None) -> str:
    """Return the cluster that a hop was routed to, as learners speak of it."""
    nodes = walk(_proxy(node, hop))
    meant = (each.name for each in nodes if each.what == "cluster" and _chosen(each))
    chosen = hop.cluster or next(meant, "")
    parts = chosen.split("|")
    if len(parts) != 4:
        return chosen or "a cluster"
    _, _, subset, host = parts
    return f"subset {subset} of {host.partition('.')[0]}" if subset else host.partition(".")[0]


def _tries(outgoing: list[Hop]) -> Iterator[str]:
    """Yield who on the way tried more than once, and how often in all."""
    requests: Counter[tuple[str, str]] = Counter()
    tries: Counter[tuple[str, str]] = Counter()
    for hop in outgoing:
        if hop.upstream is None or hop.upstream.workload is None:
            continue
        way = short(workload_of(hop.proxy)), short(hop.upstream.workload)
        requests[way] += 1
        tries[way] += hop.attempts or 0
    said = [
        f"{caller} tried {called} {times(tries[caller, called])}"
        + (f" for {number} requests" if number > 1 else "")
        for (caller, called), number in requests.items()
        if tries[caller, called] > number
    ]
    if said:
        yield "; ".join(said) + "."


def _rule(seen: Seen, proxy: Node | None, hop: Hop) -> Iterator[str]:
    """Yield which rule sent the request on from one proxy, and why none before it did."""
    routes = [each for each in walk(proxy) if each.what == "route"]
    chosen = next((each for each in routes if _chosen(each)), None)
    if chosen is None:
        return
    if _written_by(seen.files, chosen):
        yield f"The first rule that matched is {_named(chosen)}."
    elif chosen.name == _DEFAULT_ROUTE:
        host = next(each.name for each in walk(proxy) if each.what == "virtual host")
        yield (
            f"For {_who(hop)} there is no rule of yours for {host.partition('.')[0]}, so any pod"
            " of that Service may answer."
        )
    for each in routes[: routes.index(chosen)]:
        if _written_by(seen.files, each):
            yield f"Above it stands {_named(each)}, but {each.reason}."


def _met(seen: Seen, node: Node | None) -> Iterator[str]:
    """Yield the learner's rules that a request met on its whole way."""
    routes = (each for each in walk(node) if each.what == "route" and _chosen(each))
    met = dict.fromkeys(_named(each) for each in routes if _written_by(seen.files, each))
    if met:
        yield f"Rules that it met on its way: {', then '.join(met)}."
    elif node is not None:
        yield "On its way it met no rule of yours."


def _proxy(node: Node | None, hop: Hop) -> Node | None:
    """Return what a hop's proxy decided, or one of the same workload; the replica is chance."""
    callers = (
        each for each in walk(node) if each.what == "proxy" and not each.name.endswith(" inbound")
    )
    own = workload_of(hop.proxy)
    return next((each for each in callers if workload_of(each.name.split(" ")[0]) == own), None)


def _chosen(node: Node) -> bool:
    return node.outcome is Outcome.CHOSEN


def _written_by(files: tuple[str, ...], node: Node) -> bool:
    return node.source is not None and node.source.split(":")[0] in files


def _named(node: Node) -> str:
    """Return a rule by its name, where it has one, and its `file:line`."""
    assert node.source is not None
    place = node.source.rpartition(":")[0]
    return f"`{node.name}` ({place})" if node.name else f"the one at {place}"


def walk(node: Node | None) -> Iterator[Node]:
    """Yield a node and all below it, in order; nothing for no node."""
    if node is not None:
        yield node
        for child in node.children:
            yield from walk(child)
