from __future__ import annotations

import pytest

from simulator.istiod import names


@pytest.mark.parametrize(
    ("host", "namespace", "want"),
    [
        pytest.param("reviews", "shop", "reviews.shop.svc.cluster.local", id="short"),
        pytest.param("reviews.other", "shop", "reviews.other", id="a-dot-is-taken-as-it-is"),
        pytest.param("*", "shop", "*", id="wildcard"),
        pytest.param("", "shop", "", id="empty"),
    ],
)
def test_resolve(host: str, namespace: str, want: str) -> None:
    assert names.resolve(host, namespace) == want


@pytest.mark.parametrize(
    ("first", "second", "want"),
    [
        ("a.com", "a.com", True),
        ("a.com", "b.com", False),
        ("*.com", "a.com", True),
        ("*a.com", "bca.com", True),
        ("*.com", "com", False),
        ("*.a.com", "*.com", True),
        ("*.com", "*.a.com", True),
        ("*.a.com", "*.b.com", False),
        ("*", "anything", True),
    ],
)
def test_matches(first: str, second: str, want: bool) -> None:
    assert names.matches(first, second) is want


@pytest.mark.parametrize(
    ("host", "other", "want"),
    [
        ("a.com", "*.com", True),
        ("*.com", "a.com", False),
        ("*.a.com", "*.com", True),
        ("*.com", "*.a.com", False),
        ("*", "*", True),
    ],
)
def test_subset_of(host: str, other: str, want: bool) -> None:
    assert names.subset_of(host, other) is want


def test_exact_names_come_before_wildcards_and_longer_before_shorter() -> None:
    hosts = ["*", "b.com", "*.com", "a.com", "long.a.com", "*.a.com"]

    assert sorted(hosts, key=names.by_specificity) == [
        "long.a.com", "a.com", "b.com", "*.a.com", "*.com", "*",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("host", "namespace", "want"),
    [
        pytest.param(
            "a.shop.svc.cluster.local", "shop", ("a", "a.shop.svc", "a.shop"), id="at-home"
        ),
        pytest.param(
            "a.shop.svc.cluster.local", "other", ("a.shop", "a.shop.svc"), id="from-elsewhere"
        ),
        pytest.param("api.example.com", "shop", (), id="not-kubernetes"),
    ],
)
def test_aliases(host: str, namespace: str, want: tuple[str, ...]) -> None:
    assert names.aliases(host, namespace) == want


def test_config_path() -> None:
    path = names.config_path("networking.istio.io/v1", "DestinationRule", "shop", "reviews")

    assert path == "/apis/networking.istio.io/v1/namespaces/shop/destination-rule/reviews"
