"""The routes of a proxy as `istioctl proxy-config routes` shows them.

Follows   istio istioctl/pkg/writer/envoy/configdump/route.go
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from simulator.istiod import names
from simulator.istiod.istioctl.table import Table, managed_by

_SHOWN_DOMAINS = 2
_ADDRESS_COLONS = 2
"""A domain with more of them is an IPv6 address."""


def select(routes: Iterable[Any], *, name: str = "") -> tuple[Any, ...]:
    """Return the route configurations of a name, or all: ports first, by number."""
    chosen = [each for each in routes if not name or each.name == name]
    return tuple(sorted(chosen, key=lambda each: _order(each.name)))


def _order(name: str) -> tuple[bool, int, str]:
    return (False, int(name), "") if name.isdecimal() else (True, 0, name)


def table(routes: Iterable[Any]) -> Table:
    """Return a row for each route of each virtual host, but for those to PassthroughCluster."""
    columns = ("NAME", "VHOST NAME", "DOMAINS", "MATCH", "VIRTUAL SERVICE")
    return Table(columns=columns, rows=tuple(_rows(routes)))


def _rows(routes: Iterable[Any]) -> Iterator[tuple[str, ...]]:
    for config in routes:
        for host in config.virtual_hosts:
            start = config.name, host.name, _domains(list(host.domains))
            for each in host.routes:
                if each.route.cluster != names.PASSTHROUGH:
                    yield *start, matched(each.match), managed_by(each)
            if not host.routes:
                yield *start, "/*", "404"


def matched(match: Any) -> str:  # noqa: ANN401 - made at run time
    """Return what a route wants of the path."""
    how = match.WhichOneof("path_specifier")
    if how == "prefix":
        return f"{match.prefix}*"
    if how == "path_separated_prefix":
        return f"PathPrefix:{match.path_separated_prefix}"
    if how == "safe_regex":
        return f"regex {match.safe_regex.regex}"
    return str(match.path)


def destination(cluster: str) -> str:
    """Return how a cluster is named as a place to go to."""
    return cluster if "Cluster" in cluster else f"Cluster: {cluster}"


def _domains(domains: list[str]) -> str:
    if len(domains) == 1:
        return domains[0]
    plain = [
        each
        for each in domains
        if ":" not in each or (each.count(":") > _ADDRESS_COLONS and each.endswith("]"))
    ]
    shown = [each for each in plain if not _said_shorter(each, plain)]
    more = len(shown) - _SHOWN_DOMAINS
    return ", ".join(shown[:_SHOWN_DOMAINS]) + (f" + {more} more..." if more > 0 else "")


def _said_shorter(domain: str, others: list[str]) -> bool:
    return any(
        domain.endswith(ending) and domain.removesuffix(ending) in others
        for ending in (f".svc.{names.DOMAIN}", ".svc")
    )
