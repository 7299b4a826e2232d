"""Name things as istiod does: hosts, clusters, virtual host domains.

Follows   istio pkg/config/host/name.go, pilot/pkg/model/service.go (BuildSubsetKey),
          pilot/pkg/networking/core/httproute.go (generateVirtualHostDomains)
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cmp_to_key

DOMAIN = "cluster.local"
BLACK_HOLE = "BlackHoleCluster"
PASSTHROUGH = "PassthroughCluster"
UNKNOWN = "UnknownService"
"""A cluster that there never is: where an invalid backend leads."""
INBOUND_PASSTHROUGH = "InboundPassthroughCluster"
MESH_GATEWAY = "mesh"
ROOT_NAMESPACE = "istio-system"


def service_host(name: str, namespace: str) -> str:
    """Return the fully qualified host of a Kubernetes Service."""
    return f"{name}.{namespace}.svc.{DOMAIN}"


def resolve(host: str, namespace: str) -> str:
    """Return a host as a resource in `namespace` means it: a short name is in that namespace."""
    if not host or "." in host or "*" in host:
        return host
    return service_host(host, namespace)


def is_wildcard(host: str) -> bool:
    """Say whether a host starts with `*`."""
    return host.startswith("*")


def matches(first: str, second: str) -> bool:
    """Say whether two hosts, each perhaps a wildcard, have a name in common."""
    first_wild, second_wild = is_wildcard(first), is_wildcard(second)
    if first_wild and second_wild:
        longer, shorter = (first, second) if len(first) > len(second) else (second, first)
        return longer[1:].endswith(shorter[1:])
    if first_wild:
        return second.endswith(first[1:])
    if second_wild:
        return first.endswith(second[1:])
    return first == second


def subset_of(host: str, other: str) -> bool:
    """Say whether every name that `host` stands for is one of `other`'s."""
    if is_wildcard(host):
        return is_wildcard(other) and host[1:].endswith(other[1:])
    return matches(host, other)


def _compare(first: str, second: str) -> int:
    first_wild, second_wild = is_wildcard(first), is_wildcard(second)
    if first_wild != second_wild:
        return 1 if first_wild else -1
    if len(first) != len(second):
        return len(second) - len(first)
    return (first > second) - (first < second)


by_specificity = cmp_to_key(_compare)
"""Sort key: exact hosts before wildcards, longer before shorter, then by the alphabet."""


def most_specific(host: str, candidates: Iterable[str]) -> str | None:
    """Return the most specific of the candidates that covers the whole of `host`."""
    covering = [each for each in candidates if subset_of(host, each)]
    return min(covering, key=by_specificity) if covering else None


def intersection(first: Iterable[str], second: Iterable[str]) -> list[str]:
    """Return the narrower of each two hosts of which one is a part of the other."""
    others = list(second)
    shared: list[str] = []
    for one in first:
        for other in others:
            both = one if subset_of(one, other) else other if subset_of(other, one) else None
            if both is not None and both not in shared:
                shared.append(both)
    return shared


def for_namespace(hosts: Iterable[str], namespace: str) -> list[str]:
    """Return those of some hosts, as [NAMESPACE/]HOST, that are for a namespace."""
    found = []
    for each in hosts:
        home, _, host = each.rpartition("/")
        if home in {"", "*", namespace}:
            found.append(host)
    return found


def outbound(host: str, port: int, subset: str = "") -> str:
    """Return an outbound cluster's name."""
    return f"outbound|{port}|{subset}|{host}"


def sni_dnat(host: str, port: int, subset: str = "") -> str:
    """Return an outbound cluster's name as TLS clients name it, without characters of its own."""
    return f"outbound_.{port}_.{subset}_.{host}"


def inbound(port: int) -> str:
    """Return an inbound cluster's name; there is one a workload port."""
    return f"inbound|{port}||"


def stat_prefix(name: str) -> str:
    """Return a name closed with istiod's delimiter, so that Envoy's statistics can be split."""
    return f"{name};"


def listener(address: str, port: int) -> str:
    """Return a listener's name."""
    return f"{address}_{port}"


def virtual_host(host: str, port: int) -> str:
    """Return a virtual host's name."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def aliases(host: str, namespace: str) -> tuple[str, ...]:
    """Return the shorter names by which a proxy in `namespace` may call a Kubernetes Service."""
    stem, found, _ = host.partition(f".svc.{DOMAIN}")
    if not found or "." not in stem or not host.endswith(f".svc.{DOMAIN}"):
        return ()
    name, _, home = stem.partition(".")
    if home == namespace:
        return name, f"{stem}.svc", stem
    return stem, f"{stem}.svc"


def config_path(api_version: str, kind: str, namespace: str, name: str) -> str:
    """Return the path by which istiod marks which resource a part of the configuration is from."""
    kebab = "".join(
        f"-{letter.lower()}" if letter.isupper() and at else letter.lower()
        for at, letter in enumerate(kind)
    )
    return f"/apis/{api_version}/namespaces/{namespace}/{kebab}/{name}"
