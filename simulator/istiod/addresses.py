"""Give pods and services addresses, the same for the same names."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

PODS = IPv4Network("10.244.0.0/16")
SERVICES = IPv4Network("10.96.0.0/12")
EXTERNAL = IPv4Network("240.240.0.0/16")
"""What istiod allocates to ServiceEntries without an address."""

_FIRST_SERVICE = 11
"""Kubernetes' own API and DNS have the first few."""


def allot(
    names: Iterable[str], network: IPv4Network, *, taken: Iterable[str] = (), first: int = 1
) -> dict[str, str]:
    """Return an address for each name, in the order of the names, leaving out the taken ones."""
    used = set(taken)
    found: dict[str, str] = {}
    offset = first
    for name in sorted(names):
        address = str(IPv4Address(int(network.network_address) + offset))
        while address in used:
            offset += 1
            address = str(IPv4Address(int(network.network_address) + offset))
        found[name] = address
        offset += 1
    return found


def allot_services(names: Iterable[str], *, taken: Iterable[str] = ()) -> dict[str, str]:
    """Return a cluster address for each service's host."""
    return allot(names, SERVICES, taken=taken, first=_FIRST_SERVICE)
