"""Envoy's own API: every message that the real binary understands.

`message(name)` gives a class, `parse` reads Envoy's JSON form as leniently as
Envoy does, `format` writes it as `/config_dump` does, `pack`/`unpack` handle
`Any`. The schema is read out of the pinned binary (`extract.py`) and lives in a
*private* descriptor pool, so that no other package's protos can clash with it.

Errors: SchemaError (a value that Envoy would refuse, with its path).
"""

from __future__ import annotations

from simulator.envoy_api.read import SchemaError, parse
from simulator.envoy_api.redact import redacted
from simulator.envoy_api.resources import Resources
from simulator.envoy_api.schema import format, has, message, name_of, pack, type_url, unpack

__all__ = [
    "Resources",
    "SchemaError",
    "format",
    "has",
    "message",
    "name_of",
    "pack",
    "parse",
    "redacted",
    "type_url",
    "unpack",
]
