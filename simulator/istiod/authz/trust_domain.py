"""Tell a principal in the names of all trust domains that stand for one.

Follows   istio pilot/pkg/security/trustdomain/bundle.go
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_DEFAULT = "cluster.local"
"""In a policy it stands for the mesh's own trust domain, whatever that is called."""
_PARTS = 5


def domain_of(principal: str) -> str | None:
    """Return the trust domain of `TRUST_DOMAIN/ns/NAMESPACE/sa/ACCOUNT`; None for other text."""
    parts = principal.split("/")
    return parts[0] if len(parts) == _PARTS else None


def moved(principal: str, domain: str) -> str | None:
    """Return the principal in another trust domain; None for text that is no principal."""
    parts = principal.split("/")
    return "/".join([domain, *parts[1:]]) if len(parts) == _PARTS else None


def enforced(principal: str) -> bool:
    """Say whether it is a principal of certain trust domains alone."""
    return domain_of(principal) not in (None, "*")


def with_aliases(principals: Iterable[str], domains: Sequence[str]) -> tuple[str, ...]:
    """Return the principals, each of a known trust domain in all of `domains`."""
    found: list[str] = []
    for principal in principals:
        own = domain_of(principal)
        if own is None or not enforced(principal) or not _known(own, domains):
            found.append(principal)
            continue
        renamed: dict[str, None] = {}
        for domain in domains:
            # A wildcard that takes the domain in keeps its words.
            new = principal if _ends_alike(domain, own) else moved(principal, domain)
            if new is not None:
                renamed[new] = None
        found.extend(renamed)
    return tuple(found)


def domains_with_aliases(values: Iterable[str], domains: Sequence[str]) -> tuple[str, ...]:
    """Return trust domains, each known one replaced by all that stand for it."""
    found: dict[str, None] = {}
    for value in values:
        found.update(dict.fromkeys(domains if value in domains else [value]))
    return tuple(found)


def _known(own: str, domains: Sequence[str]) -> bool:
    return own == _DEFAULT or any(own == each or _ends_alike(each, own) for each in domains)


def _ends_alike(domain: str, pattern: str) -> bool:
    return pattern.startswith("*") and domain.endswith(pattern[1:])
