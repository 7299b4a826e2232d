"""Istio's own expectations of principals in several trust domains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from simulator.istiod.authz import trust_domain
from tests.conformance.table import Case, Table


def cases(table: Table) -> Iterator[Case]:
    """Yield one case a row."""
    for at, one in enumerate(table.data["cases"]):
        yield Case(id=f"#{at} {one.get('name', '')}", data=one, check=partial(_check, one))


def _check(one: dict[str, Any]) -> str | None:
    want = next((one[name] for name in ("expect", "out", "want") if name in one), None)
    got = _got(one)
    # A row leaves out what is empty or false.
    return None if (got or None) == (want or None) else f"expected {want}, got {got}"


def _got(one: dict[str, Any]) -> Any:
    test = one["test"]
    if test == "TestReplaceTrustDomainAliases":
        domains = _texts(one["trustDomainBundle"])
        return list(trust_domain.with_aliases(one["principals"], domains))
    principal = one["principal"]
    if test == "TestReplaceTrustDomainInPrincipal":
        return trust_domain.moved(principal, one.get("trustDomainIn", ""))
    if test == "TestIsTrustDomainBeingEnforced":
        return trust_domain.enforced(principal)
    return trust_domain.domain_of(principal)


def _texts(bundle: Any) -> list[str]:
    """Return the trust domains of a bundle, the mesh's own first, however it is written."""
    if isinstance(bundle, str):
        return [bundle]
    parts = bundle.values() if isinstance(bundle, Mapping) else bundle or ()
    return [text for part in parts for text in _texts(part)]
