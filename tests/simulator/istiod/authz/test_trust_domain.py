from __future__ import annotations

import pytest

from simulator.istiod.authz import trust_domain

MOVED = ("new", "old")


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        pytest.param("new/ns/a/sa/b", ("new/ns/a/sa/b", "old/ns/a/sa/b"), id="the mesh's own"),
        pytest.param("old/ns/a/sa/b", ("new/ns/a/sa/b", "old/ns/a/sa/b"), id="a former one"),
        pytest.param(
            "cluster.local/ns/a/sa/b", ("new/ns/a/sa/b", "old/ns/a/sa/b"), id="the usual name"
        ),
        pytest.param("other/ns/a/sa/b", ("other/ns/a/sa/b",), id="a stranger stays"),
        pytest.param("*/ns/a/sa/b", ("*/ns/a/sa/b",), id="any trust domain stays"),
        pytest.param("*ld/ns/a/sa/b", ("new/ns/a/sa/b", "*ld/ns/a/sa/b"), id="an end of a name"),
        pytest.param("b", ("b",), id="no principal stays"),
    ],
)
def test_a_principal_is_told_in_all_names(principal: str, expected: tuple[str, ...]) -> None:
    assert trust_domain.with_aliases([principal], MOVED) == expected


def test_a_known_trust_domain_stands_for_all() -> None:
    assert trust_domain.domains_with_aliases(["old", "other", "new"], MOVED) == (
        "new",
        "old",
        "other",
    )
