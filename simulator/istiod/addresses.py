"""Give pods and services addresses, the same for the same names.

Follows   istio pilot/pkg/serviceregistry/serviceentry/controller.go (autoAllocateIPs)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network

PODS = IPv4Network("10.244.0.0/16")
SERVICES = IPv4Network("10.96.0.0/12")
EXTERNAL = IPv4Network("240.240.0.0/16")
"""What istiod allots to ServiceEntries without an address."""
_SLOTS = 65_024
_PRIME = 65_011

_FIRST_SERVICE = 11
"""Kubernetes' own API and DNS have the first few."""


def allot(
    names: Iterable[str],
    network: IPv4Network,
    *,
    known: Mapping[str, str],
    taken: Iterable[str] = (),
    first: int = 1,
) -> dict[str, str]:
    """Return an address for each name, in the order of the names, leaving out the taken ones.

    A name that is `known` keeps its address, and nobody else is given it.
    """
    used = {*taken, *known.values()}
    found: dict[str, str] = {}
    offset = first
    for name in sorted(names):
        if name in known:
            found[name] = known[name]
            continue
        address = str(IPv4Address(int(network.network_address) + offset))
        while address in used:
            offset += 1
            address = str(IPv4Address(int(network.network_address) + offset))
        found[name] = address
        offset += 1
    return found


def allot_services(
    names: Iterable[str], *, known: Mapping[str, str], taken: Iterable[str] = ()
) -> dict[str, str]:
    """Return a cluster address for each service's host; otherwise as `allot`."""
    return allot(names, SERVICES, known=known, taken=taken, first=_FIRST_SERVICE)


def allot_external(keys: Iterable[str]) -> dict[str, str]:
    """Return an address for each NAMESPACE/HOST, by its hash; earlier keys come first.

    A key that comes twice takes two slots, of which the lower one counts, as in istiod.
    """
    slots: dict[int, str] = {}
    for key in keys:
        hashed = _fnv1a(key)
        slot, step = hashed % _SLOTS, 0
        while slot in slots:
            step += 1
            probe = (hashed + step * (_PRIME - hashed % _PRIME)) % 2**32
            slot = probe % (_SLOTS - 1)
        slots[slot] = key
    found: dict[str, str] = {}
    for slot in sorted(slots):
        offset = slot + 1
        third, fourth = divmod(offset if offset % 255 else offset + 1, 255)
        found.setdefault(slots[slot], f"240.240.{third}.{fourth}")
    return found


def _fnv1a(text: str) -> int:
    value = 0x811C9DC5
    for byte in text.encode():
        value = (value ^ byte) * 0x01000193 % 2**32
    return value
