"""Local rate limits with a bucket for each descriptor: simulated, against the real Envoy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.simulator.envoy.comparing import FILTERS, Case, World, check, http_filter, routes, world
from tests.simulator.envoy.real import http_listener
from tests.simulator.envoy.test_ratelimit_against_envoy import header, key, limit

pytestmark = pytest.mark.envoy

ALWAYS = {"default_value": {"numerator": 100}}
TOLD: dict[str, Any] = {"enable_x_ratelimit_headers": "DRAFT_VERSION_03"}
NOT_ALWAYS: dict[str, Any] = {"always_consume_default_token_bucket": False}


def bucket(tokens: int, *, per_fill: int = 1) -> dict[str, Any]:
    return {"max_tokens": tokens, "tokens_per_fill": per_fill, "fill_interval": "1000s"}


def of(tokens: int, *, per_fill: int = 1, **entries: str) -> dict[str, Any]:
    """Return a descriptor with a bucket of its own."""
    found = [{"key": name.replace("_", "-"), "value": value} for name, value in entries.items()]
    return {"entries": found, "token_bucket": bucket(tokens, per_fill=per_fill)}


def local(*descriptors: dict[str, Any], tokens: int = 5, **more: Any) -> dict[str, Any]:
    return {
        "stat_prefix": "l",
        "token_bucket": bucket(tokens),
        "filter_enabled": ALWAYS,
        "filter_enforced": ALWAYS,
        "descriptors": list(descriptors),
        **more,
    }


USER = limit(header("x-user"))
ME = (("x-user", "me"),)
FEW = of(2, x_user="me")
SLOW = of(2, x_user="me")
FAST = of(1, per_fill=2, k="a")
A = limit(key("a", descriptor_key="k"))
LIMITS: list[tuple[str, list[dict[str, Any]], dict[str, Any], int]] = [
    ("within", [USER], local(FEW), 2),
    ("over", [USER], local(FEW), 3),
    ("of-another", [USER], local(of(1, x_user="you")), 2),
    ("of-none", [limit(header("x-none"))], local(FEW), 3),
    ("not-on-the-route", [], local(FEW), 3),
    ("with-an-entry-more", [limit(header("x-user"), key("a"))], local(FEW), 3),
    ("the-default-is-empty", [USER], local(of(5, x_user="me"), tokens=1), 2),
    ("the-default-is-spared", [USER], local(of(5, x_user="me"), tokens=1, **NOT_ALWAYS), 2),
    ("the-default-is-not-spared", [], local(FEW, tokens=1, **NOT_ALWAYS), 2),
    ("told", [USER], local(FEW, **TOLD), 1),
    ("told-over", [USER], local(FEW, **TOLD), 3),
    ("told-default", [], local(FEW, **TOLD), 1),
    ("told-the-default-is-empty", [USER], local(of(5, x_user="me"), tokens=1, **TOLD), 2),
    ("two", [USER, A], local(SLOW, FAST, **TOLD), 1),
    ("two-over", [USER, A], local(SLOW, FAST, **TOLD), 2),
    ("two-the-other-way", [A, USER], local(FAST, SLOW, **TOLD), 2),
    ("any-value", [USER], local(of(2, x_user=""), **TOLD), 2),
    ("any-value-over", [USER], local(of(2, x_user="")), 3),
    ("any-value-or-one", [USER], local(of(1, x_user=""), of(3, x_user="me"), **TOLD), 2),
    ("of-a-stage", [limit(header("x-user"), stage=1)], local(FEW, stage=1), 3),
    ("of-another-stage", [USER], local(FEW, stage=1), 3),
    ("of-the-filter", [], local(FEW, rate_limits=[USER]), 3),
    ("of-the-host", [], local(of(1, k="host")), 2),
    ("of-the-host-beside", [USER], local(of(1, k="host")), 2),
    ("of-the-host-included", [USER], local(of(1, k="host"), vh_rate_limits="INCLUDE"), 2),
    ("of-the-host-ignored", [], local(of(1, k="host"), vh_rate_limits="IGNORE"), 2),
]


def case(name: str, limits: list[dict[str, Any]], config: dict[str, Any], times: int) -> Case:
    own = {"limit": {"@type": FILTERS + "local_ratelimit.v3.LocalRateLimit", **config}}
    route = {"route": {"cluster": "live", "rate_limits": limits}}
    return Case(name, own, route, headers=ME, times=times)


SHARED = {"route": {"cluster": "live", "rate_limits": [USER]}}
CASES = [
    *(case(*one) for one in LIMITS),
    *(
        Case(f"user-{user}", {}, SHARED, headers=(("x-user", user),), times=times, listener="users")
        for user, times in [("first", 3), ("second", 2), ("third", 3)]
    ),
]


def listeners() -> list[dict[str, Any]]:
    def with_filter(name: str, **config: Any) -> dict[str, Any]:
        table = routes([one for one in CASES if one.listener == name])
        host = limit(key("host", descriptor_key="k"))
        table["virtual_hosts"][0]["rate_limits"] = [host]
        found = http_filter("limit", "local_ratelimit.v3.LocalRateLimit", **config)
        return http_listener(name, table, [found])

    # The users have a bucket each, whichever route they take.
    users = local(of(2, x_user=""), tokens=100)
    return [with_filter("main", stat_prefix="l"), with_filter("users", **users)]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(CASES, listeners(), tmp_path_factory.mktemp("descriptors")) as found:
        yield found


@pytest.mark.parametrize("one", [pytest.param(one, id=one.id) for one in CASES])
def test_a_bucket_of_a_descriptor_counts_as_in_envoy(compared: World, one: Case) -> None:
    check(compared, one)
