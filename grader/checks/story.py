"""Why a request ended as it did, told to a learner: the answer, the flags, the rule, the tries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from grader.checks.expectation import short, times, workload_of
from grader.evidence import Seen
from simulator.config.scenario import Request
from simulator.observe.explain import Node, Outcome
from simulator.observe.observation import Hop, Observation

_FLAGS = {
    "FI": "FI: the sidecar of {who} made up this answer itself, because a fault is injected "
    "there. The request never left: a fault acts before the router, so neither the retries nor "
    "the time-out of that rule can help against it.",
    "DI": "DI: the sidecar of {who} held the request back, because a delay is injected there. It "
    "comes before the router, so the rule's time-out does not count it and no retry follows.",
    "NR": "NR: no rule that the sidecar of {who} knows matched it.",
    "NC": "NC: the rule leads to {cluster}, which does not exist. A subset has to be defined in "
    "a DestinationRule.",
    "UH": "UH: nothing healthy stands behind {cluster}.",
    "UF": "UF: no connection could be made.",
    "UT": "UT: the sidecar of {who} waited, until the time was up.",
    "URX": "URX: the retries were used up.",
    "UO": "UO: a circuit breaker was open.",
    "UC": "UC: the connection was closed before the answer came.",
    "DC": "DC: the caller hung up before the answer came.",
}
"""Envoy's response flags, as sentences."""
_DEFAULT_ROUTE = "default"
"""Istio's own name for the route to a Service that no VirtualService speaks of."""


def numbered(request: Request, observation: Observation) -> str:
    """Return a request's name in a sentence: which one, and what sets it apart."""
    name = f"Request {observation.id}"
    if request.count > 1:
        name += f" (number {observation.n + 1} of {request.count})"
    headers = ", ".join(f"{key}: {value}" for key, value in request.headers.items())
    return f"{name}, {headers}," if headers else name


def why(seen: Seen, observation: Observation) -> str:
    """Return sentences, each after a space, on how it came that this was observed."""
    node = seen.explanation(observation)
    parts = (*_answer(observation, node), *_tries(observation), *_rule(seen, node))
    return "".join(f" {part}" for part in parts)


def _answer(observation: Observation, node: Node | None) -> Iterator[str]:
    if not observation.hops:
        return
    first = observation.hops[0]
    who = short(workload_of(first.proxy))
    cluster = _cluster(first, node)
    yield from (
        _FLAGS[flag].format(who=who, cluster=cluster)
        for flag in sorted(first.response_flags)
        if flag in _FLAGS
    )
    served = first.upstream.workload if first.upstream else None
    bad = first.status is not None and first.status >= 500
    if bad and served and not first.response_flags:
        yield f"This is the answer of {short(served)} itself, and nothing says to try again."


def _cluster(hop: Hop, node: Node | None) -> str:
    """Return the cluster that a hop was routed to, as learners speak of it."""
    chosen = hop.cluster or next(
        (
            each.name
            for each in walk(node)
            if each.what == "cluster" and each.outcome is Outcome.CHOSEN
        ),
        "",
    )
    parts = chosen.split("|")
    if len(parts) != 4:
        return chosen or "a cluster"
    _, _, subset, host = parts
    return f"subset {subset} of {host.partition('.')[0]}" if subset else host.partition(".")[0]


def _tries(observation: Observation) -> Iterator[str]:
    """Yield who on the way tried more than once, and how often in all."""
    requests: Counter[tuple[str, str]] = Counter()
    tries: Counter[tuple[str, str]] = Counter()
    for hop in observation.hops:
        if hop.direction == "inbound" or hop.upstream is None or hop.upstream.workload is None:
            continue
        way = short(workload_of(hop.proxy)), short(hop.upstream.workload)
        requests[way] += 1
        tries[way] += hop.attempts or 0
    told = [
        f"{caller} tried {called} {times(tries[way])}"
        + (f" for {number} requests" if number > 1 else "")
        for way, number in requests.items()
        for caller, called in (way,)
        if tries[way] > number
    ]
    if told:
        yield "; ".join(told) + "."


def _rule(seen: Seen, node: Node | None) -> Iterator[str]:
    """Yield which rule of the learner's sent the request its way, and why none before it did."""
    for proxy in _proxies(node):
        routes = [each for each in walk(proxy) if each.what == "route"]
        chosen = next((each for each in routes if each.outcome is Outcome.CHOSEN), None)
        if chosen is None:
            continue
        host = next(each.name for each in walk(proxy) if each.what == "virtual host")
        if not _written_by(seen.files, chosen):
            if chosen.name == _DEFAULT_ROUTE:
                yield (
                    f"No rule of yours caught it: callers of {host.partition('.')[0]} follow the"
                    " route that Istio makes for a Service without a VirtualService."
                )
            continue
        yield (
            f"It was caught by the rule `{chosen.name}` at {_line(chosen)}; what stands below"
            " that rule is not looked at."
        )
        for each in routes[: routes.index(chosen)]:
            if _written_by(seen.files, each):
                place = f"The rule `{each.name}` above it ({_line(each)})"
                yield f"{place} did not apply: {each.reason}."


def _proxies(node: Node | None) -> list[Node]:
    """Return the caller's sides of a request's way; inbound proxies follow no rule."""
    return [
        each for each in walk(node) if each.what == "proxy" and not each.name.endswith(" inbound")
    ]


def _written_by(files: tuple[str, ...], node: Node) -> bool:
    return node.source is not None and node.source.split(":")[0] in files


def _line(node: Node) -> str:
    """Return `file:line` of a node's `file:line:column`."""
    assert node.source is not None
    return node.source.rpartition(":")[0]


def walk(node: Node | None) -> Iterator[Node]:
    """Yield a node and all below it, in order; nothing for no node."""
    if node is not None:
        yield node
        for child in node.children:
            yield from walk(child)
