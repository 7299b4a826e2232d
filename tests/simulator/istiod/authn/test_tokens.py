"""What RequestAuthentications become."""

from __future__ import annotations

from typing import Any

from simulator.envoy_api import format as as_json
from simulator.envoy_api import unpack
from simulator.istiod.authn import tokens
from simulator.istiod.generate import generate
from simulator.istiod.scope import scope
from tests.simulator.istiod.meshes import shop

POLICY = """
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {{name: {name}}}
spec:
  jwtRules: [{{issuer: {issuer}, jwks: '{{"keys": []}}'}}]
"""


def config(*texts: str) -> dict[str, Any]:
    mesh = shop(*texts)
    (found,) = tokens.filters(scope(mesh, mesh.pod("ratings-v1.default")))
    return as_json(unpack(found["typed_config"]))


def test_a_token_is_checked_where_there_is_one() -> None:
    (rule,) = config(POLICY.format(name="one", issuer="a"))["rules"]

    assert rule["requires"] == {
        "requires_any": {"requirements": [{"provider_name": "origins-0"}, {"allow_missing": {}}]}
    }


def test_the_issuers_of_all_policies_are_known_by_name() -> None:
    written = config(POLICY.format(name="one", issuer="b"), POLICY.format(name="two", issuer="a"))

    issuers = {name: each["issuer"] for name, each in written["providers"].items()}
    assert issuers == {"origins-0": "a", "origins-1": "b"}
    requirements = written["rules"][0]["requires"]["requires_any"]["requirements"]
    assert len(requirements) == 3
    assert "requires_all" in requirements[2]


def test_a_required_token_may_not_be_missing() -> None:
    text = POLICY.format(name="one", issuer="a").replace("jwks:", "presence: REQUIRED, jwks:")
    (rule,) = config(text)["rules"]

    assert rule["requires"] == {"provider_name": "origins-0"}


def test_keys_that_would_have_to_be_fetched_are_said() -> None:
    text = POLICY.format(name="one", issuer="a").replace(
        """jwks: '{"keys": []}'""", "jwksUri: https://a.example"
    )
    mesh = shop(text)
    (found,) = generate(mesh, mesh.pod("ratings-v1.default")).diagnostics

    assert (found.code, found.field) == ("not-simulated", "spec.jwtRules[0].jwksUri")
