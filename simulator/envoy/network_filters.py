"""What stands before the last network filter of a chain: it may refuse a connection.

Limits look at a connection when it comes, RBAC at its first bytes, when the TCP proxy
has connected upstream already.

Models    envoy.extensions.filters.network.{rbac,connection_limit,local_ratelimit,sni_cluster}.v3
Follows   envoy/source/extensions/filters/network/{rbac/rbac_filter,
          connection_limit/connection_limit,local_ratelimit/local_ratelimit,
          sni_cluster/sni_cluster}.cc
Leaves    delays before a connection is closed (docs/fidelity.md#tcp-proxy)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from simulator.envoy.connection import Connection
from simulator.envoy.filters.rbac import details, reason
from simulator.envoy.filters.rbac_config import RbacConfig
from simulator.envoy.match import Subject
from simulator.envoy.network_filter_config import (
    ConnectionLimit,
    ConnectionRate,
    NetworkFilter,
    SniCluster,
)
from simulator.envoy.request import BYTES, StreamInfo
from simulator.envoy.token_bucket import TokenBucket
from simulator.observe.explain import FieldRef, Node, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A connection that is closed by a filter."""

    node: Node
    details: str = ""
    """`%CONNECTION_TERMINATION_DETAILS%`"""
    flags: tuple[str, ...] = ()


class Connections:
    """The connections of one proxy, as its network filters count them."""

    def __init__(self) -> None:
        self._open: dict[FieldRef, int] = {}
        self._buckets: dict[FieldRef, TokenBucket] = {}

    def enter(self, filters: Iterable[NetworkFilter], now: int) -> Refusal | None:
        """Count a connection, unless a filter closes it."""
        entered: list[ConnectionLimit] = []
        refusal = None
        for one in filters:
            match one:
                case ConnectionLimit():
                    refusal = self._limit(one)
                    if refusal is None:
                        entered.append(one)
                case ConnectionRate():
                    refusal = self._rate(one, now)
            if refusal is not None:
                self.leave(entered)
                return refusal
        return None

    def leave(self, filters: Iterable[NetworkFilter]) -> None:
        """Count a connection no more."""
        for one in filters:
            if isinstance(one, ConnectionLimit):
                self._open[one.field] -= 1

    def _limit(self, one: ConnectionLimit) -> Refusal | None:
        count = self._open.get(one.field, 0)
        if count >= one.max_connections:
            told = f"{count} connections are open, which is all that are let in"
            return Refusal(node=_closed("connection limit", told, one.field))
        self._open[one.field] = count + 1
        return None

    def _rate(self, one: ConnectionRate, now: int) -> Refusal | None:
        bucket = self._buckets.get(one.field)
        if bucket is None or bucket.bucket != one.bucket:
            bucket = self._buckets[one.field] = TokenBucket(one.bucket)
        if bucket.take(now):
            return None
        node = _closed("local rate limit", "the token bucket is empty", one.field)
        return Refusal(node=node, flags=("URX",))


def _closed(what: str, why: str, field: FieldRef) -> Node:
    return Node(
        what=what,
        name="closed",
        outcome=Outcome.REJECTED,
        reason=f"{why}: the connection is closed",
        field=field,
    )


def authorize(filters: Iterable[NetworkFilter], connection: Connection | None) -> Refusal | None:
    """Return the refusal of the first RBAC filter that refuses a connection."""
    for one in filters:
        if isinstance(one, RbacConfig) and one.rules is not None:
            source = connection.source_ip if connection is not None else ""
            info = StreamInfo(connection=connection, source_address=source)
            subject = Subject(BYTES, 0, info)
            judged = one.rules.judge(subject)
            if not judged.allowed:
                return Refusal(node=reason(one.rules, judged, subject), details=details(judged))
    return None


def named_cluster(filters: Iterable[NetworkFilter], connection: Connection) -> str:
    """Return the cluster that a filter chose for a connection; empty: none did."""
    named = any(isinstance(one, SniCluster) for one in filters)
    return connection.sni if named else ""
