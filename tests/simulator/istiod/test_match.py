"""Conditions of VirtualServices as Envoy's."""

from __future__ import annotations

import pytest

from simulator.config.istio import HTTPMatchRequest
from simulator.istiod.match import claim_of, route_match

CLAIMS = [
    pytest.param("@request.auth.claims.sub", ["sub"], id="a-claim"),
    pytest.param("@request.auth.claims.a.b", ["a", "b"], id="dots-lead-into-a-claim"),
    pytest.param("@request.auth.claims[a.b/c][d]", ["a.b/c", "d"], id="brackets-keep-dots"),
    pytest.param("@request.auth.claims", None, id="no-claim-is-named"),
    pytest.param("@request.auth.claims.", None, id="an-empty-claim"),
    pytest.param("@request.auth.claims[a]b", None, id="something-beside-brackets"),
    pytest.param("request.auth.claims.sub", None, id="an-ordinary-header"),
]


@pytest.mark.parametrize(("header", "claim"), CLAIMS)
def test_headers_that_stand_for_claims(header: str, claim: list[str] | None) -> None:
    assert claim_of(header) == claim


def test_a_claim_is_looked_up_and_no_header_is() -> None:
    match = HTTPMatchRequest.model_validate(
        {
            "headers": {"@request.auth.claims.group": {"exact": "staff"}},
            "withoutHeaders": {"@request.auth.claims.left": {"exact": "yes"}, "x-b": {}},
        }
    )
    got = route_match(match, None, "").value

    assert [each["name"] for each in got["headers"]] == ["x-b"]
    assert [
        ([key["key"] for key in each["path"]], each.get("invert", False))
        for each in got["dynamic_metadata"]
    ] == [(["payload", "group"], False), (["payload", "left"], True)]
