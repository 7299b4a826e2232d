"""A JSON Web Token: its parts, its claims, and whether it holds now and is signed.

What is wrong with a token is said in Envoy's words, which the client reads.

Follows   envoy/source/common/jwt/{jwt,verify,status,check_audience}.cc
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from simulator.envoy.filters.jwt_keys import ALGORITHMS, Key

MISSING = "Jwt is missing"
UNKNOWN_ISSUER = "Jwt issuer is not configured"
AUDIENCE = "Audiences in Jwt are not allowed"
NO_KEYS = "Jwks doesn't have any valid public key"
_BASE64 = re.compile(r"[A-Za-z0-9_-]*={0,2}")
_SCHEME = re.compile(r"https?://")
_LARGEST = 2.0**64


class BadTokenError(ValueError):
    """A text that is no token, in Envoy's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token that was read; nothing is verified yet."""

    header: Mapping[str, Any]
    payload: Mapping[str, Any]
    algorithm: str
    key_id: str
    issuer: str
    subject: str
    issued: int
    not_before: int
    expires: int
    """0: never."""
    audiences: tuple[str, ...]
    payload_text: str
    """As it stands in the token."""
    signed: bytes
    signature: bytes

    def timely(self, now_s: int, skew_s: int) -> str:
        """Return why it does not hold at a time, or nothing."""
        if now_s + skew_s < self.not_before:
            return "Jwt not yet valid"
        if self.expires and now_s > self.expires + skew_s:
            return "Jwt is expired"
        return ""

    def verified(self, keys: Iterable[Key]) -> str:
        """Return why none of the keys proves it, or nothing."""
        tried = False
        for key in keys:
            if self.key_id and key.id and key.id != self.key_id:
                continue
            if key.algorithm and key.algorithm != self.algorithm:
                continue
            tried = True
            if key.signed(self.algorithm, self.signed, self.signature):
                return ""
        if tried:
            return "Jwt verification fails"
        return "Jwks doesn't have key to match kid or alg from Jwt"


def parse(text: str) -> Token:
    """Return the token that a text is.

    Raises BadTokenError with the first thing that is wrong.
    """
    parts = [part for part in text.split(".") if part]
    if len(parts) != 3:
        raise BadTokenError(
            "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"
        )
    header = _json(parts[0], "header")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str):
        raise BadTokenError("Jwt header [alg] field is required and must be a string")
    if algorithm not in ALGORITHMS:
        raise BadTokenError("Jwt header [alg] is not supported")
    key_id = header.get("kid", "")
    if not isinstance(key_id, str):
        raise BadTokenError("Jwt header [kid] field is not a string")
    payload = _json(parts[1], "payload")
    issuer, subject = _string(payload, "iss"), _string(payload, "sub")
    issued, not_before, expires = (_integer(payload, each) for each in ("iat", "nbf", "exp"))
    _string(payload, "jti")
    return Token(
        header=header,
        payload=payload,
        algorithm=algorithm,
        key_id=key_id,
        issuer=issuer,
        subject=subject,
        issued=issued,
        not_before=not_before,
        expires=expires,
        audiences=_audiences(payload),
        payload_text=parts[1],
        signed=f"{parts[0]}.{parts[1]}".encode(),
        signature=_bytes(parts[2], "signature"),
    )


def _bytes(part: str, name: str) -> bytes:
    if not _BASE64.fullmatch(part) or len(part.rstrip("=")) % 4 == 1:
        raise BadTokenError(f"Jwt {name} is an invalid Base64url encoded")
    bare = part.rstrip("=")
    return base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))


def _json(part: str, name: str) -> Mapping[str, Any]:
    raw = _bytes(part, name)
    try:
        value = json.loads(raw, strict=False)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise BadTokenError(f"Jwt {name} is an invalid JSON")
    return value


def _string(payload: Mapping[str, Any], name: str) -> str:
    value = payload.get(name, "")
    if not isinstance(value, str):
        raise BadTokenError(f"Jwt payload [{name}] field is not a string")
    return value


def _integer(payload: Mapping[str, Any], name: str) -> int:
    value = payload.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadTokenError(f"Jwt payload [{name}] field is not an integer")
    if not 0 <= value < _LARGEST:
        raise BadTokenError(f"Jwt payload [{name}] field is not a positive 64 bit integer")
    return int(value)


def _audiences(payload: Mapping[str, Any]) -> tuple[str, ...]:
    value = payload.get("aud", [])
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise BadTokenError("Jwt payload [aud] field is not a string or string list")
    return tuple(listed)


def plain_audience(audience: str) -> str:
    """Return an audience as it is compared: without scheme and without a slash at its end."""
    return _SCHEME.sub("", audience, count=1).removesuffix("/")


def claim(payload: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return a claim by its name; dots lead into objects."""
    value: Any = payload
    for step in path.split("."):
        if not isinstance(value, Mapping) or step not in value:
            return None
        value = value[step]
    return value
