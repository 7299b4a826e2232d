"""What a YAML scalar means to Kubernetes.

YAML 1.1 as go-yaml reads it, then JSON: `yes` and `on` are true, `012` is ten, a date is text.

Follows   sigs.k8s.io/yaml goyaml.v2/resolve.go
"""

from __future__ import annotations

import math
import re

_TRUE = ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON")
_FALSE = ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(_TRUE, True),
    **dict.fromkeys(_FALSE, False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_INTEGER = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|[1-9][0-9]*|0)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_DATE = re.compile(r"[0-9]{4}-")
_EXACT = 1e21
"""Below this a whole number is written without an exponent in JSON, and is an integer again."""

_LONGEST = 1000
"""Python refuses to read integers of some thousand digits."""

TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "timestamp")
)
_TEXT = frozenset({"tag:yaml.org,2002:str", "!"})


class ScalarError(ValueError):
    """The scalar has no value in JSON."""


def resolve(text: str, *, plain: bool, tag: str | None) -> str | int | float | bool | None:
    """Return the value of a scalar. Raises ScalarError for one that JSON cannot hold."""
    if tag in _TEXT or (not plain and tag is None):
        return text
    if text in _WORDS:
        value: str | int | float | bool | None = _WORDS[text]
    elif text[0] in "0123456789+-.":
        value = _number(text)
    else:
        value = text
    return value if tag is None else _tagged(value, text, tag)


def _number(text: str) -> str | int | float:
    if _SPECIAL.fullmatch(text):
        message = f"{text} is no number that JSON can hold"
        raise ScalarError(message)
    if _DATE.match(text):
        return text
    digits = text if text[0] == "." else text.replace("_", "")
    if _INTEGER.fullmatch(digits) and len(digits) < _LONGEST:
        return _integer(digits)
    if _FLOAT.fullmatch(digits):
        return _whole(float(digits))
    return text


def _integer(digits: str) -> int:
    sign = -1 if digits[0] == "-" else 1
    body = digits.lstrip("+-").lower()
    if body[:2] in {"0x", "0b", "0o"}:
        return sign * int(body, 0)
    return sign * int(body, 8 if body[0] == "0" else 10)


def _whole(value: float) -> int | float:
    if math.isinf(value):
        message = "the number is too large"
        raise ScalarError(message)
    return int(value) if value.is_integer() and abs(value) < _EXACT else value


def _tagged(
    value: str | float | bool | None,  # noqa: FBT001 - any scalar
    text: str,
    tag: str,
) -> str | int | float | bool | None:
    kind = tag.rpartition(":")[2]
    fits = {
        "int": isinstance(value, int) and not isinstance(value, bool),
        "float": isinstance(value, (int, float)) and not isinstance(value, bool),
        "bool": isinstance(value, bool),
        "null": value is None,
        "timestamp": isinstance(value, str),
    }
    if not fits.get(kind, True):
        message = f"{text!r} is not a !!{kind}"
        raise ScalarError(message)
    return value
