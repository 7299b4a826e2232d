"""Choose among the hosts that have the metadata a request asks for.

Each subset has a balancer of its own, with its own turns, priorities and panic; it is made
when a request first asks for it.

Models    Cluster.LbSubsetConfig, RouteAction.metadata_match
Follows   envoy/source/extensions/load_balancing_policies/subset/subset_lb.cc
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any, TypeAlias

from simulator.envoy.balance.balancer import Balancer, Pick
from simulator.envoy.balance.context import Context
from simulator.envoy.balance.host import Host
from simulator.envoy.balance.priority import Census
from simulator.envoy.balance.zone import Home
from simulator.envoy.cluster import Cluster, Endpoint
from simulator.envoy.draws import Draws
from simulator.envoy.subset_config import Fallback, Selector, SubsetConfig

_LB = "envoy.lb"
_FALLBACK_LIST = "fallback_list"
Key: TypeAlias = tuple[tuple[str, Any], ...]
"""Names and values (as `_exact` gives them), in alphabetical order of the names."""
_ANY: Key = (("", "any"),)
_DEFAULT: Key = (("", "default"),)


class SubsetBalancer:
    """Chooses a subset, then a host of it; as `Balancer` does, where there are no subsets."""

    __slots__ = ("_cluster", "_config", "_fallbacks", "_home", "_hosts", "_made", "_members",
                 "_round", "_single")  # fmt: skip

    def __init__(self, cluster: Cluster, config: SubsetConfig, home: Home | None = None) -> None:
        self._cluster = cluster
        self._home = home
        self._config = config
        self._fallbacks = dict(_fallbacks(config.selectors))
        self._hosts: Mapping[str, Host] = {}
        self._members: dict[Key, list[Endpoint]] = {}
        self._single: dict[Key, Endpoint] = {}
        self._made: dict[Key, tuple[int, Balancer]] = {}
        self._round = 0

    def refresh(self, cluster: Cluster, hosts: Mapping[str, Host]) -> None:
        """Take the cluster's hosts as they are now; turns of subsets that stay go on."""
        self._cluster, self._hosts = cluster, hosts
        self._round += 1
        self._members = {}
        self._single = {}
        for endpoint in cluster.endpoints:
            for selector in self._config.selectors:
                for key in _keys(selector, endpoint, self._config):
                    self._enter(key, selector, endpoint)
        self._made = {key: made for key, made in self._made.items() if key in self._members}
        # Whatever happens to hosts, these two are there.
        self._members[_ANY] = list(cluster.endpoints)
        self._members[_DEFAULT] = [e for e in cluster.endpoints if self._is_default(e)]

    @property
    def made(self) -> int:
        """Return how many subsets have a balancer."""
        return len(self._made)

    @property
    def census(self) -> tuple[tuple[Census, Census], ...]:
        """Return how many hosts there are in each priority, whatever their subset."""
        return self._balancer(_ANY).census

    def choose(
        self, draws: Draws, context: Context, trail: list[Pick] | None = None
    ) -> Host | None:
        """Return a host, or `None` if there is none that may serve; then `context` says why."""
        wanted = dict(context.metadata or {})
        listed = wanted.pop(_FALLBACK_LIST, None) if self._config.fallback_list else None
        tries = [{**wanted, **one} for one in listed if isinstance(one, dict)] if listed else []
        for criteria in tries or [wanted]:
            host = self._iterate(_key(criteria), draws, context, trail)
            if host is not None:
                return host
        return None

    def _enter(self, key: Key, selector: Selector, endpoint: Endpoint) -> None:
        if key in self._single or (selector.single_host and key not in self._members):
            first = self._single.setdefault(key, endpoint)
            if endpoint.priority < first.priority:
                self._single[key] = endpoint
        members = self._members.setdefault(key, [])
        if not members or members[-1] is not endpoint:
            members.append(endpoint)

    def _is_default(self, endpoint: Endpoint) -> bool:
        own = _metadata(endpoint)
        return all(
            name in own and _exact(value) in _values(own[name], self._config)
            for name, value in self._config.default.items()
        )

    def _iterate(
        self, key: Key, draws: Draws, context: Context, trail: list[Pick] | None
    ) -> Host | None:
        if key in self._members:
            return self._of(key, f"in the subset {_told(key)}", draws, context, trail)
        missing = f"no subset has {_told(key)}" if key else "no subset is asked for"
        selector = self._fallbacks.get(tuple(name for name, _ in key))
        policy = selector.fallback if selector is not None else Fallback.NOT_DEFINED
        if selector is not None and policy is Fallback.KEYS_SUBSET:
            fewer = tuple(pair for pair in key if pair[0] in selector.fallback_keys)
            return self._iterate(fewer, draws, context, trail)
        if policy is not Fallback.NOT_DEFINED:
            return self._fall_back(policy, missing, draws, context, trail)
        host = self._fall_back(self._config.fallback, missing, draws, context, trail)
        if (
            host is None
            and self._config.panic_mode_any
            and self._config.fallback is not Fallback.NO_FALLBACK
        ):
            return self._of(_ANY, f"any endpoint, as {missing}", draws, context, trail)
        return host

    def _fall_back(
        self,
        policy: Fallback,
        missing: str,
        draws: Draws,
        context: Context,
        trail: list[Pick] | None,
    ) -> Host | None:
        if policy is Fallback.ANY_ENDPOINT:
            return self._of(_ANY, f"any endpoint, as {missing}", draws, context, trail)
        if policy is Fallback.DEFAULT_SUBSET:
            where = f"in the default subset, as {missing}"
            return self._of(_DEFAULT, where, draws, context, trail)
        context.missed = f"{missing}, and nothing is to take its place"
        return None

    def _of(
        self, key: Key, where: str, draws: Draws, context: Context, trail: list[Pick] | None
    ) -> Host | None:
        """Return a host of a subset."""
        single = self._single.get(key)
        if single is not None:
            host = self._hosts[single.key]
            if trail is not None:
                trail.append(Pick(host=host, reason=f"the one {where}", kept=True))
            return host
        seen = len(trail) if trail is not None else 0
        found = self._balancer(key).choose(draws, context, trail)
        if trail is not None:
            told = trail[seen:]
            trail[seen:] = [replace(pick, reason=f"{where}: {pick.reason}") for pick in told]
        if found is None:
            context.missed = f"{where}: no endpoint may serve"
        return found

    def _balancer(self, key: Key) -> Balancer:
        turn, balancer = self._made.get(key, (0, None))
        if balancer is None:
            balancer = Balancer(self._cluster, self._home)
        if turn != self._round:
            members = self._members[key]
            weights = self._weights(members)
            part = replace(self._cluster, endpoints=tuple(members), locality_weights=weights)
            balancer.refresh(part, self._hosts)
            self._made[key] = (self._round, balancer)
        return balancer

    def _weights(self, members: list[Endpoint]) -> Mapping[tuple[int, str], int]:
        """Return what localities weigh inside a subset."""
        config, cluster = self._config, self._cluster
        if not config.locality_weight_aware:
            return {}
        if not config.scale_locality_weight:
            return cluster.locality_weights
        all_of = Counter((e.priority, e.locality) for e in cluster.endpoints)
        of = Counter((e.priority, e.locality) for e in members)
        return {
            at: int(weight * of[at] / all_of[at] + 0.5) if all_of[at] else 0
            for at, weight in cluster.locality_weights.items()
        }


def _fallbacks(selectors: tuple[Selector, ...]) -> Iterator[tuple[tuple[str, ...], Selector]]:
    """Yield the selectors whose own fallback counts, by their keys.

    It does not where an earlier selector has these keys, or begins with them.
    """
    known: set[tuple[str, ...]] = set()
    for selector in selectors:
        keys = selector.keys
        if keys not in known:
            yield keys, selector
        known |= {keys[: at + 1] for at in range(len(keys))}


def _keys(selector: Selector, endpoint: Endpoint, config: SubsetConfig) -> Iterator[Key]:
    """Yield the subsets of a selector that an endpoint belongs to."""
    own = _metadata(endpoint)
    if not selector.keys or any(name not in own for name in selector.keys):
        return
    choices = [[(name, value) for value in _values(own[name], config)] for name in selector.keys]
    yield from product(*choices)


def _metadata(endpoint: Endpoint) -> Mapping[str, Any]:
    found: Mapping[str, Any] = endpoint.metadata.get("filter_metadata", {}).get(_LB, {})
    return found


def _values(value: Any, config: SubsetConfig) -> list[Any]:  # noqa: ANN401 - any JSON value
    many = config.list_as_any and isinstance(value, list)
    return [_exact(item) for item in value] if many else [_exact(value)]


def _key(criteria: Mapping[str, Any]) -> Key:
    return tuple((name, _exact(criteria[name])) for name in sorted(criteria))


def _exact(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return a JSON value in a form that equals only what Envoy holds for equal."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return (type(value).__name__, value)
    if isinstance(value, (int, float)):
        return float(value)
    if isinstance(value, list):
        return ("list", *(_exact(item) for item in value))
    return ("struct", *((name, _exact(value[name])) for name in sorted(value)))


def _told(key: Key) -> str:
    parts = []
    for name, exact in key:
        plain = exact[1] if isinstance(exact, tuple) and len(exact) == 2 else exact
        parts.append(f"{name}={plain}")
    return ", ".join(parts)
