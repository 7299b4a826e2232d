"""Redirects that the proxy follows itself, against the real Envoy, request by request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.simulator.envoy.comparing import Case, World, check, routes, world
from tests.simulator.envoy.real import http_listener

pytestmark = pytest.mark.envoy

PREDICATES = "type.googleapis.com/envoy.extensions.internal_redirect."
_CONFIGS = {
    "allow_listed_routes": "AllowListedRoutesConfig",
    "previous_routes": "PreviousRoutesConfig",
    "safe_cross_scheme": "SafeCrossSchemeConfig",
}


def predicate(name: str, **config: Any) -> dict[str, Any]:
    kind = f"{PREDICATES}{name}.v3.{_CONFIGS[name]}"
    return {"name": name, "typed_config": {"@type": kind, **config}}


def to(
    name: str,
    location: str,
    *headers: tuple[str, str],
    status: int = 302,
    method: str = "GET",
    **policy: Any,
) -> Case:
    """Return a request that is redirected on a route with such a policy."""
    return Case(
        name,
        route={"route": {"cluster": "live", "internal_redirect_policy": policy}},
        headers=headers,
        method=method,
        script=f"{status}+location:{location}" if location else str(status),
    )


def answering(name: str, script: str, **action: Any) -> Case:
    """Return a request on a route that says what its endpoint answers."""
    own = {"header": {"key": "x-script", "value": script}}
    return Case(
        name,
        route={
            "route": {"cluster": "live", **action},
            "request_headers_to_add": [
                {**own, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"},
            ],
        },
    )


END = "http://test/end/of?it=1"
CODES = [301, 302, 303, 307, 308]
ANY: dict[str, Any] = {"internal_redirect_policy": {"max_internal_redirects": 5}}
CASES = [
    answering("end", "200"),
    # Some routes lead on, and one to itself.
    answering("first", "302+location:http://test/second", **ANY),
    answering("second", "302+location:http://test/end", **ANY),
    answering("circle", "302+location:http://test/circle", **ANY),
    answering(
        "known-circle",
        "302+location:http://test/known-circle",
        internal_redirect_policy={
            "max_internal_redirects": 5,
            "predicates": [predicate("previous_routes")],
        },
    ),
    to("followed", END),
    to("no-policy-for-the-code", END, status=301),
    *(to(f"code-{code}", END, status=code, redirect_response_codes=CODES) for code in CODES),
    to("post", END, method="POST"),
    to("post-see-other", END, status=303, method="POST", redirect_response_codes=[303]),
    to("head-see-other", END, status=303, method="HEAD", redirect_response_codes=[303]),
    to("no-location", ""),
    to("relative", "/end"),
    to("no-url", "nonsense"),
    to("no-path", "http://test"),
    to("fragment", "http://test/end#there"),
    to("port", "http://test:80/end"),
    to("upper-case", "HTTP://test/end"),
    to("nowhere", "http://test/none"),
    to("https", "https://test/end"),
    to("https-allowed", "https://test/end", allow_cross_scheme_redirect=True),
    to(
        "https-allowed-if-safe",
        "https://test/end",
        allow_cross_scheme_redirect=True,
        predicates=[predicate("safe_cross_scheme")],
    ),
    to("never", END, max_internal_redirects=0),
    to("once-and-no-more", "http://test/second"),
    to("again-and-again", "http://test/first", max_internal_redirects=3),
    to("in-a-circle", "http://test/circle", max_internal_redirects=2),
    to("in-a-known-circle", "http://test/known-circle", max_internal_redirects=2),
    to("to-a-route-allowed", END, predicates=[
        predicate("allow_listed_routes", allowed_route_names=["end"])
    ]),
    to("to-a-route-not-allowed", END, predicates=[
        predicate("allow_listed_routes", allowed_route_names=["other"])
    ]),
    to("with-a-header", END, ("x-kept", "old"), response_headers_to_copy=["server", "x-kept"]),
]  # fmt: skip


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    table = routes(CASES)
    table["virtual_hosts"][0]["include_request_attempt_count"] = True
    listeners = [http_listener("main", table, [])]
    with world(CASES, listeners, tmp_path_factory.mktemp("redirects")) as found:
        yield found


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_a_redirect_is_followed_as_by_envoy(compared: World, case: Case) -> None:
    check(compared, case)
