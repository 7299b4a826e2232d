"""Test what chance decided: do weighted clusters and endpoints get the shares they should?

Each choice is held against an exact (Clopper-Pearson) interval of what was seen. The
level is divided by the number of choices (Bonferroni), so that a whole report errs
about once in a thousand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scipy.stats import binomtest

from simulator.envoy_api import Resources, message
from simulator.observe.observation import Hop, Observation

_LEVEL = 0.001
_NO_CLUSTER = "NC"
_EVEN = ("ROUND_ROBIN", "LEAST_REQUEST", "RANDOM")
_ENDPOINT_LOADS = ("HEALTHY", "UNKNOWN")


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How often one of several choices was taken."""

    proxy: str
    among: str
    """What was chosen from: a route, or a cluster for its endpoints."""
    choice: str
    expected: float
    """By its weight."""
    taken: int
    of: int
    low: float
    high: float
    """What the true share may be, given what was seen."""

    @property
    def ok(self) -> bool:
        """Say whether what was expected may be true."""
        return self.low <= self.expected <= self.high


@dataclass(frozen=True, slots=True)
class _Choice:
    proxy: str
    among: str
    weights: tuple[tuple[str, int], ...]


def shares(
    observations: Iterable[Observation], resources: Mapping[str, Resources]
) -> tuple[Share, ...]:
    """Return the shares of every choice in the observations, by the proxies' resources.

    `resources` are what istiod sends, by `POD.NAMESPACE`.
    """
    counts: dict[_Choice, Counter[str]] = {}
    for observation in observations:
        for hop in observation.hops:
            given = resources.get(hop.proxy)
            if given is None or hop.direction == "inbound":
                continue
            for choice, taken in _choices(hop, given):
                counts.setdefault(choice, Counter())[taken] += 1
    number = sum(len(choice.weights) for choice in counts)
    return tuple(
        _share(choice, name, weight, counted, _LEVEL / number)
        for choice, counted in counts.items()
        for name, weight in choice.weights
    )


def _share(choice: _Choice, name: str, weight: int, counted: Counter[str], level: float) -> Share:
    taken, of = counted[name], counted.total()
    interval = binomtest(taken, of).proportion_ci(1 - level, method="exact")
    return Share(
        proxy=choice.proxy,
        among=choice.among,
        choice=name,
        expected=weight / sum(each for _, each in choice.weights),
        taken=taken,
        of=of,
        low=float(interval.low),
        high=float(interval.high),
    )


def _choices(hop: Hop, given: Resources) -> Iterator[tuple[_Choice, str]]:
    known = {each.name for each in given.clusters}
    weights = _cluster_weights(hop, given)
    missing = [name for name, _ in weights if name not in known]
    # A chosen cluster that does not exist is not logged: it is known where just one can be meant.
    if weights and len(missing) < 2:
        among = f"route {hop.route or '(unnamed)'} of {hop.virtual_host}"
        yield _Choice(hop.proxy, among, weights), hop.cluster or missing[0]
    # A retry goes elsewhere on purpose: only first attempts show the balancer's shares.
    if hop.cluster and hop.attempts == 1 and hop.upstream and hop.upstream.address:
        endpoints = _endpoint_weights(hop.cluster, given)
        if len(endpoints) > 1:
            yield _Choice(hop.proxy, f"cluster {hop.cluster}", endpoints), hop.upstream.address


def _cluster_weights(hop: Hop, given: Resources) -> tuple[tuple[str, int], ...]:
    if hop.cluster is None and _NO_CLUSTER not in hop.response_flags:
        return ()
    found = [
        tuple((each.name, each.weight.value) for each in route.route.weighted_clusters.clusters)
        for table in given.routes
        for host in table.virtual_hosts
        if host.name == hop.virtual_host
        for route in host.routes
        if route.name == (hop.route or "") and route.route.HasField("weighted_clusters")
    ]
    known = {each.name for each in given.clusters}
    fitting = [
        weights
        for weights in found
        if (hop.cluster in dict(weights) if hop.cluster else {*dict(weights)} - known)
    ]
    # Two routes without names cannot be told apart in an access log.
    return fitting[0] if len(fitting) == 1 and len(fitting[0]) > 1 else ()


def _endpoint_weights(name: str, given: Resources) -> tuple[tuple[str, int], ...]:
    cluster = next((each for each in given.clusters if each.name == name), None)
    assignment = next((each for each in given.endpoints if each.cluster_name == name), None)
    if cluster is None or assignment is None or not _even(cluster, assignment):
        return ()
    return tuple(
        (f"{socket.address}:{socket.port_value}", 1)
        for locality in assignment.endpoints
        for each in locality.lb_endpoints
        for socket in (each.endpoint.address.socket_address,)
    )


def _even(cluster: Any, assignment: Any) -> bool:  # noqa: ANN401 - made at run time
    """Say whether every endpoint has the same chance: one locality, one weight, all healthy."""
    enums = message("envoy.config.cluster.v3.Cluster").DESCRIPTOR.enum_types_by_name
    policy = enums["LbPolicy"].values_by_number[cluster.lb_policy].name
    endpoints = [each for locality in assignment.endpoints for each in locality.lb_endpoints]
    weights = {each.load_balancing_weight.value for each in endpoints}
    health = message("envoy.config.endpoint.v3.LbEndpoint").DESCRIPTOR.fields_by_name
    states = health["health_status"].enum_type.values_by_number
    return (
        policy in _EVEN
        and not cluster.HasField("outlier_detection")
        and len(assignment.endpoints) == 1
        and len(weights) == 1
        and all(states[each.health_status].name in _ENDPOINT_LOADS for each in endpoints)
    )
