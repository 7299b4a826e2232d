"""Why a request ended as it did, told to a learner: the flags, the rule, the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from grader.checks.expectation import short, workload_of
from simulator.config.scenario import Request
from simulator.observe.explain import Node, Outcome
from simulator.observe.observation import Hop, Observation

_FLAGS = {
    "FI": "the sidecar of {who} made up this answer itself, because a fault is injected there. "
    "The request never left: a fault acts before the router, so no retry and no time-out of "
    "that route can help against it",
    "DI": "a delay is injected in the sidecar of {who}. It comes before the router, so the "
    "route's time-out does not count it and no retry follows",
    "NR": "no route of the sidecar of {who} matched it",
    "NC": "the route leads to a cluster that does not exist ({cluster}): a subset that no "
    "DestinationRule defines",
    "UH": "there is no endpoint to send it to ({cluster})",
    "UF": "no connection could be made",
    "UT": "the time-out of the route, or of the last try, ran out while {who} waited",
    "URX": "the retries were used up",
    "UO": "a circuit breaker was open",
    "UC": "the connection was closed before the answer came",
    "DC": "the caller hung up before the answer came",
}
"""Envoy's response flags, as sentences that follow `FLAG:`."""


def numbered(request: Request, observation: Observation) -> str:
    """Return a request's name in a sentence: which one, and what sets it apart."""
    name = f"Request {observation.id}"
    if request.count > 1:
        name += f" #{observation.n + 1} of {request.count}"
    headers = ", ".join(f"{key}: {value}" for key, value in request.headers.items())
    return f"{name} ({headers})" if headers else name


def account(observation: Observation) -> str:
    """Return what the flags on a request's way say, as sentences; empty when there are none."""
    told = dict(_sentences(observation.hops[:1]) or ())
    return "".join(f" {flag}: {sentence}." for flag, sentence in told.items())


def _sentences(hops: Sequence[Hop]) -> Iterator[tuple[str, str]]:
    for hop in hops:
        for flag in hop.response_flags:
            if flag in _FLAGS:
                who = short(workload_of(hop.proxy))
                yield flag, _FLAGS[flag].format(who=who, cluster=hop.cluster)


def rule_behind(node: Node | None) -> str:
    """Return which rule sent a request its way, and why those before it did not; or nothing."""
    if node is None:
        return ""
    routes = [each for each in walk(node) if each.what == "route"]
    chosen = next((each for each in routes if each.outcome is Outcome.CHOSEN), None)
    if chosen is None:
        return ""
    if chosen.source is None:
        return (
            f" No rule of yours caught it: it took the route `{chosen.name}`, which Istio makes"
            " for a service without a VirtualService."
        )
    before = [each for each in routes[: routes.index(chosen)] if each.outcome is Outcome.REJECTED]
    why = "".join(
        f" {_place(each)} did not apply: {each.reason.rstrip('.')}." for each in before[:3]
    )
    return (
        f" The rule that caught it is at {_line(chosen.source)}: {chosen.reason.rstrip('.')}.{why}"
    )


def _place(node: Node) -> str:
    return f"The one at {_line(node.source)}" if node.source else f"The route {node.name}"


def _line(source: str) -> str:
    """Return `file:line` of `file:line:column`."""
    return source.rpartition(":")[0]


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all below it, in order."""
    yield node
    for child in node.children:
        yield from walk(child)


def told(observations: Sequence[Observation]) -> str:
    """Return what a passed check saw, in a sentence."""
    number = len(observations)
    return f"{number} request{'s' if number != 1 else ''} sent, all as expected."
