"""Public keys (JWKS), and whether one of them signed a token.

Follows   envoy/source/common/jwt/{jwks,verify}.cc
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from jwt.algorithms import (
    Algorithm,
    ECAlgorithm,
    HMACAlgorithm,
    OKPAlgorithm,
    RSAAlgorithm,
    get_default_algorithms,
)
from jwt.exceptions import InvalidKeyError

_FAMILIES = {"RSA": ("RS", "PS"), "EC": ("ES",), "oct": ("HS",), "OKP": ("EdDSA",)}
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})
ALGORITHMS: dict[str, Algorithm] = {
    name: algorithm
    for name, algorithm in get_default_algorithms().items()
    if name[:2] in ("RS", "PS", "HS", "Ed") or name in _CURVES
}
"""What Envoy implements."""


class BadKeysError(ValueError):
    """A text that holds no usable key, in Envoy's words."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a set."""

    kind: str
    """`RSA`, `EC`, `oct` or `OKP`."""
    id: str
    algorithm: str
    """Empty where the key says nothing of it."""
    material: Any

    def signed(self, algorithm: str, message: bytes, signature: bytes) -> bool:
        """Say whether this key made a signature."""
        if not algorithm.startswith(_FAMILIES[self.kind]):
            return False
        try:
            return bool(ALGORITHMS[algorithm].verify(message, self.material, signature))
        except (ValueError, TypeError, InvalidKeyError):
            return False


def parse(text: str) -> tuple[Key, ...]:
    """Return the keys of a JWKS, those that are not usable left out.

    Raises BadKeysError where there is none.
    """
    try:
        # Envoy's reader takes line breaks inside of texts.
        document = json.loads(text, strict=False)
    except ValueError:
        raise BadKeysError("Jwks is an invalid JSON") from None
    if not isinstance(document, dict):
        raise BadKeysError("Jwks is an invalid JSON")
    if "keys" not in document:
        keys = _certificates(document)
        if keys is None:
            raise BadKeysError("Jwks does not have [keys] field")
        return keys
    if not isinstance(document["keys"], list):
        raise BadKeysError("[keys] in Jwks is not an array")
    good, bad = [], []
    for each in document["keys"]:
        if isinstance(each, dict):
            try:
                good.append(_key(each))
            except BadKeysError as error:
                bad.append(error)
    if not good:
        raise bad[0] if bad else BadKeysError("Jwks doesn't have any valid public key")
    return tuple(good)


_ALG_ERRORS = {
    "RSA": "[alg] is not started with [RS] or [PS] for an RSA key",
    "EC": "[alg] is not started with [ES] for an EC key",
    "oct": "[alg] does not start with [HS] for an HMAC key",
    "OKP": "[alg] is not [EdDSA] for an OKP key",
}
_KEY_ERRORS = {
    "RSA": "Jwks RSA [n] or [e] field is missing or has a parse error",
    "EC": "Jwks EC [x] and [y] fields have a parse error.",
    "oct": "Jwks Oct key is an invalid Base64",
    "OKP": "Jwks OKP [x] field is wrong length.",
}


def _key(given: dict[str, Any]) -> Key:
    if "kty" not in given:
        raise BadKeysError("[kty] is missing in [keys]")
    kind, algorithm = given["kty"], given.get("alg") or ""
    if kind not in _FAMILIES:
        raise BadKeysError("[kty] is not supported in [keys]")
    if algorithm and not str(algorithm).startswith(_FAMILIES[kind]):
        raise BadKeysError(_ALG_ERRORS[kind])
    # Base64 may be broken into lines.
    public = {
        name: "".join(value.split()) if isinstance(value, str) else value
        for name, value in given.items()
        if name not in _PRIVATE
    }
    if kind == "EC":
        curve = _CURVES.get(algorithm, "P-256")
        if public.setdefault("crv", curve) != curve and algorithm:
            raise BadKeysError("[crv] field specified is not compatible with [alg] for an EC key")
    try:
        material = _material(kind, public)
    except (ValueError, TypeError, KeyError, InvalidKeyError):
        raise BadKeysError(_KEY_ERRORS[kind]) from None
    name = given.get("kid")
    return Key(kind, name if isinstance(name, str) else "", algorithm, material)


def _material(kind: str, public: dict[str, Any]) -> Any:  # noqa: ANN401 - a key of any kind
    match kind:
        case "RSA":
            return RSAAlgorithm.from_jwk(public)
        case "EC":
            return ECAlgorithm.from_jwk(public)
        case "oct":
            return HMACAlgorithm.from_jwk(public)
        case _:
            return OKPAlgorithm.from_jwk(public)


def _certificates(document: dict[str, Any]) -> tuple[Key, ...] | None:
    """Return the keys of a mapping from names to certificates, if it is one."""
    if not document or not all(
        isinstance(value, str) and value.startswith("-----BEGIN CERTIFICATE-----")
        for value in document.values()
    ):
        return None
    try:
        return tuple(
            Key("RSA", name, "", x509.load_pem_x509_certificate(pem.encode()).public_key())
            for name, pem in document.items()
        )
    except ValueError:
        raise BadKeysError("X509 parse pubkey fails") from None
