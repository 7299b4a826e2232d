"""The names of a DNS cluster: what they resolve to, and when that is asked again.

Models    Cluster.{dns_refresh_rate, respect_dns_ttl, dns_jitter, dns_lookup_family},
          envoy.extensions.clusters.dns.v3.DnsCluster
Follows   envoy/source/extensions/clusters/{strict_dns/strict_dns_cluster.cc,
          logical_dns/logical_dns_cluster.cc}
Leaves    resolvers that fail or take time, and connections to a logical host's last address
          (docs/fidelity.md#dns)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import TypeAlias

from simulator.envoy.cluster import Cluster, Discovery, Endpoint, LookupFamily
from simulator.envoy.draws import Draws

_MILLISECOND_NS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a resolver says of a name."""

    addresses: tuple[str, ...] = ()
    """None for a name that it does not know."""
    ttl_ns: int = 0
    """How long that holds; 0: not said."""


Resolve: TypeAlias = Callable[[str], Answer]


class Names:
    """What the names of one cluster were last found to be."""

    __slots__ = ("_cluster", "_found", "_resolve")

    def __init__(self, cluster: Cluster, resolve: Resolve) -> None:
        self._cluster = cluster
        self._resolve = resolve
        self._found: dict[str, Answer] = {}
        for endpoint in cluster.endpoints:
            if endpoint.address not in self._found:
                self.ask(endpoint.address)

    def __iter__(self) -> Iterator[str]:
        """Yield the names that are asked for again and again."""
        return (name for name in self._found if version(name) == 0)

    def ask(self, name: str) -> bool:
        """Ask for a name; say whether its addresses are other ones now."""
        answer = Answer(addresses=(name,)) if version(name) else self._resolve(name)
        addresses = _counting(answer.addresses, self._cluster.lookup.family)
        before = self._found.get(name)
        if before is not None and not addresses and self._logical:
            # A logical host stays where it was when its name is gone.
            addresses = before.addresses
        self._found[name] = replace(answer, addresses=addresses)
        return before is None or before.addresses != addresses

    def wait_ns(self, name: str, draws: Draws) -> int:
        """Return how long after an answer the name is asked for again."""
        lookup, answer = self._cluster.lookup, self._found[name]
        wait_ns = lookup.refresh_ns
        if lookup.respect_ttl and answer.addresses and answer.ttl_ns:
            wait_ns = answer.ttl_ns
        jitter_ms = lookup.jitter_ns // _MILLISECOND_NS
        if jitter_ms:
            wait_ns += draws.next("dns jitter") % jitter_ms * _MILLISECOND_NS
        return wait_ns

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return a host for each address, or for the first one alone; none twice."""
        hosts: dict[tuple[int, str], Endpoint] = {}
        for endpoint in self._cluster.endpoints:
            name = endpoint.address
            addresses = self._found[name].addresses
            for address in addresses[:1] if self._logical else addresses:
                host = replace(endpoint, address=address, hostname=endpoint.hostname or name)
                hosts.setdefault((host.priority, host.key), host)
        return tuple(hosts.values())

    @property
    def _logical(self) -> bool:
        return self._cluster.type is Discovery.LOGICAL_DNS


def _counting(addresses: tuple[str, ...], family: LookupFamily) -> tuple[str, ...]:
    """Return the addresses of the versions that count; a name stands for one of either."""
    first, second = (
        tuple(each for each in addresses if version(each) in (number, 0)) for number in (4, 6)
    )
    match family:
        case LookupFamily.V4_ONLY:
            return first
        case LookupFamily.V6_ONLY:
            return second
        case LookupFamily.V4_PREFERRED:
            return first or second
        case LookupFamily.AUTO:
            return second or first
        case LookupFamily.ALL:
            return addresses


def version(address: str) -> int:
    """Return the IP version of an address; 0 for a name."""
    try:
        return ip_address(address).version
    except ValueError:
        return 0
