from __future__ import annotations

from simulator.envoy.filters.jwt_keys import parse


def test_a_key_may_be_broken_into_lines() -> None:
    (key,) = parse('{"keys": [{"kty": "oct", "k": "c2Vj\n   cmV0"}]}')

    assert key.material == b"secret"
