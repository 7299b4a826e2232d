"""Find the host of a hash: a ring of points, or Maglev's table.

The same hash leads to the same host, in every proxy that has the same hosts, and few
hashes move when hosts come or go.

Models    Cluster.{ring_hash_lb_config, maglev_lb_config},
          CommonLbConfig.ConsistentHashingLbConfig
Follows   envoy/source/extensions/load_balancing_policies/{ring_hash/ring_hash_lb,
          maglev/maglev_lb,common/thread_aware_lb_impl}.cc
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import ceil
from typing import Protocol

from simulator.envoy.balance.hashing import murmur_hash, xx_hash
from simulator.envoy.balance.host import Host
from simulator.envoy.balance.twister import Twister
from simulator.envoy.cluster import Endpoint, Hashing, Policy

_LARGEST_U64 = 2**64 - 1

Shares = Sequence[tuple[Host, float]]
"""Hosts with their shares of the whole, which is 1."""


class Table(Protocol):
    """Where hashes lead."""

    def find(self, value: int, attempt: int) -> Host | None:
        """Return the host of a hash; `attempt` counts the picks that were not wanted."""
        ...


def table(policy: Policy, hashing: Hashing, shares: Shares, total: Callable[[], int]) -> Table:
    """Return the table of a policy; `total` tells how many requests are active in all."""
    keys = tuple((_key(host.endpoint, hashing), share) for host, share in shares)
    hosts = [host for host, _ in shares]
    made: Table
    if policy is Policy.RING_HASH:
        made = Ring(hosts, *_ring(keys, hashing))
    else:
        made = Maglev(hosts, _maglev(keys, hashing.table_size))
    if hashing.balance_factor and hosts:
        return Bounded(made, shares, hashing.balance_factor, total)
    return made


def shares(
    hosts: Sequence[Host],
    locality_weights: Mapping[str, int] | None = None,
) -> list[tuple[Host, float]]:
    """Return each host's share: by its weight, within its locality's where those count."""
    if locality_weights is None:
        return _by_weight(hosts, 1.0)
    total = sum(locality_weights.values())
    out: list[tuple[Host, float]] = []
    for locality, weight in locality_weights.items():
        if weight:
            members = [host for host in hosts if host.endpoint.locality == locality]
            out += _by_weight(members, weight / total)
    return out


def _by_weight(hosts: Sequence[Host], whole: float) -> list[tuple[Host, float]]:
    total = sum(host.endpoint.weight for host in hosts)
    return [(host, host.endpoint.weight * whole / total) for host in hosts]


def _key(endpoint: Endpoint, hashing: Hashing) -> str:
    own = endpoint.metadata.get("filter_metadata", {}).get("envoy.lb", {}).get("hash_key")
    if isinstance(own, str) and own:
        return own
    return endpoint.hostname if hashing.use_hostname else endpoint.key


class Ring:
    """Points on a circle of hashes; a hash belongs to the next point."""

    def __init__(self, hosts: Sequence[Host], points: Sequence[int], owners: Sequence[int]) -> None:
        self._hosts = hosts
        self.points = points
        """In ascending order."""
        self.owners = owners
        """The number of each point's host."""

    def find(self, value: int, attempt: int) -> Host | None:
        """Return the host of a hash."""
        if not self.points:
            return None
        at = bisect_left(self.points, value) % len(self.points)
        return self._hosts[self.owners[(at + attempt) % len(self.points)]]


@lru_cache(maxsize=256)
def _ring(
    keys: tuple[tuple[str, float], ...], hashing: Hashing
) -> tuple[Sequence[int], Sequence[int]]:
    """Return the points of a ring, and the number of the key that each belongs to."""
    if not keys:
        return (), ()
    smallest = min(share for _, share in keys)
    scale = min(
        ceil(smallest * hashing.minimum_ring_size) / smallest, float(hashing.maximum_ring_size)
    )
    function = murmur_hash if hashing.murmur else xx_hash
    found: list[tuple[int, int]] = []
    # The running sums go over all hosts, so that fractions of a point are not lost.
    wanted = 0.0
    for number, (key, share) in enumerate(keys):
        wanted += scale * share
        point = 0
        while len(found) < wanted:
            found.append((function(f"{key}_{point}"), number))
            point += 1
    found.sort(key=lambda each: each[0])
    return tuple(point for point, _ in found), tuple(number for _, number in found)


class Maglev:
    """A table of a prime size; a hash belongs to the place of its remainder."""

    def __init__(self, hosts: Sequence[Host], places: Sequence[int]) -> None:
        self._hosts = hosts
        self.places = places
        """The number of each place's host."""

    def find(self, value: int, attempt: int) -> Host | None:
        """Return the host of a hash."""
        if not self.places:
            return None
        if attempt:
            value ^= _LARGEST_U64 - attempt + 1
        return self._hosts[self.places[value % len(self.places)]]


@lru_cache(maxsize=256)
def _maglev(keys: tuple[tuple[str, float], ...], size: int) -> Sequence[int]:
    """Return the number of the key at each place; the keys take turns, by weight."""
    if not keys:
        return ()
    heaviest = max(share for _, share in keys)
    order = sorted(range(len(keys)), key=lambda number: keys[number][0])
    step = {n: xx_hash(keys[n][0], 1) % (size - 1) + 1 for n in order}
    place = {n: xx_hash(keys[n][0]) % size for n in order}
    due = dict.fromkeys(order, 0.0)
    table: list[int] = [-1] * size
    filled, turn = 0, 0
    while filled < size:
        turn += 1
        for number in order:
            if turn * keys[number][1] < due[number]:
                continue
            due[number] += heaviest
            while table[place[number]] != -1:
                place[number] = (place[number] + step[number]) % size
            table[place[number]] = number
            filled += 1
            if filled == size:
                break
    return tuple(table)


class Bounded:
    """A table whose hosts take no more than their part of the load; the next is drawn."""

    def __init__(self, inner: Table, shares: Shares, factor: int, total: Callable[[], int]) -> None:
        self.inner = inner
        self._shares = list(shares)
        self._share = dict(shares)
        self._factor = factor
        self._total = total

    def find(self, value: int, attempt: int) -> Host | None:
        """Return the host of a hash, or one that is less busy."""
        host = self.inner.find(value, attempt)
        if host is None:
            return None
        least = self._load(host, self._share[host])
        if least <= 1.0:
            return host
        best = host
        # The hash seeds the order, so that it is the same each time.
        random = Twister(value)
        order = list(range(len(self._shares)))
        for at in range(len(order)):
            other = at + random.below(len(order) - at)
            order[at], order[other] = order[other], order[at]
            candidate, share = self._shares[order[at]]
            if candidate is host:
                continue
            load = self._load(candidate, share)
            if load <= 1.0:
                return candidate
            if load < least:
                best, least = candidate, load
        return best

    def _load(self, host: Host, share: float) -> float:
        slots = ((self._total() + 1) * self._factor + 99) // 100
        return host.active / max(ceil(slots * share), 1)
