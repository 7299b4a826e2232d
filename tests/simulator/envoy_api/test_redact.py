"""What the schema calls sensitive is never shown; all else is."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.envoy_api import format as as_json
from simulator.envoy_api import parse, redacted

SECRET = "envoy.extensions.transport_sockets.tls.v3.Secret"
HIDDEN = "W3JlZGFjdGVkXQ=="
"""`[redacted]` in Base64, as bytes are in JSON."""


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        pytest.param(
            {
                "name": "a",
                "tls_certificate": {
                    "certificate_chain": {"inline_string": "chain"},
                    "private_key": {"inline_string": "key"},
                    "password": {"inline_bytes": "a2V5"},
                },
            },
            {
                "name": "a",
                "tls_certificate": {
                    "certificate_chain": {"inline_string": "chain"},
                    "private_key": {"inline_string": "[redacted]"},
                    "password": {"inline_bytes": HIDDEN},
                },
            },
            id="a-private-key-and-its-password",
        ),
        pytest.param(
            {"session_ticket_keys": {"keys": [{"inline_string": "a"}, {"inline_string": "b"}]}},
            {
                "session_ticket_keys": {
                    "keys": [{"inline_string": "[redacted]"}, {"inline_string": "[redacted]"}]
                }
            },
            id="each-of-several-keys",
        ),
        pytest.param(
            {"validation_context": {"trusted_ca": {"inline_string": "root"}}},
            {"validation_context": {"trusted_ca": {"inline_string": "root"}}},
            id="a-root-is-public",
        ),
    ],
)
def test_a_secret(given: dict[str, Any], shown: dict[str, Any]) -> None:
    secret = parse(given, SECRET)

    assert as_json(redacted(secret)) == shown
    assert as_json(secret) == as_json(parse(given, SECRET))
