"""Read the small values that many messages share: durations, fractions, regular expressions."""

from __future__ import annotations

import ipaddress
import re
from math import isnan
from typing import Any

from simulator.envoy.chain_match import Network
from simulator.envoy.filters.fault_config import Fraction
from simulator.envoy.match import BadRegexError, compiled
from simulator.envoy.rejected import Scope
from simulator.envoy.token_bucket import Bucket

_DENOMINATORS = (100, 10_000, 1_000_000)
_UNREAD = re.compile(rb"request[-.]id|upstream-service-time", re.IGNORECASE)
_HEADER_BAD = re.compile(r"[\0\n\r]")


def nanoseconds(duration: Any) -> int:  # noqa: ANN401 - protobuf
    """Return a google.protobuf.Duration in nanoseconds."""
    return int(duration.seconds) * 1_000_000_000 + int(duration.nanos)


def optional_ns(message: Any, name: str) -> int | None:  # noqa: ANN401 - protobuf
    """Return a duration field in nanoseconds, None where it is not set."""
    return nanoseconds(getattr(message, name)) if message.HasField(name) else None


def names_unread(*messages: Any) -> bool:  # noqa: ANN401 - protobuf
    """Say whether messages may look at a request's id, or at how long an endpoint took."""
    return any(_UNREAD.search(one.SerializeToString()) for one in messages)


def fraction(percent: Any, scope: Scope) -> tuple[int, int]:  # noqa: ANN401 - protobuf
    """Return numerator and denominator of an envoy.type.v3.FractionalPercent."""
    if percent.denominator >= len(_DENOMINATORS):
        raise scope.reject(f"unknown denominator {percent.denominator}")
    return int(percent.numerator), _DENOMINATORS[percent.denominator]


def runtime_fraction(message: Any, name: str, default: int, scope: Scope) -> Fraction:  # noqa: ANN401
    """Compile a RuntimeFractionalPercent field; where it is not set, so many per cent."""
    if not message.HasField(name):
        return Fraction(numerator=default, denominator=100)
    value = getattr(message, name).default_value
    numerator, denominator = fraction(value, scope.at(name).at("default_value"))
    return Fraction(numerator=numerator, denominator=denominator)


def regex(message: Any, scope: Scope) -> str:  # noqa: ANN401 - protobuf
    """Return the pattern of an envoy.type.matcher.v3.RegexMatcher, checked."""
    if not message.regex:
        raise scope.reject(
            "RegexMatcherValidationError.Regex: value length must be at least 1 characters"
        )
    return checked_regex(message.regex, scope)


def checked_regex(pattern: str, scope: Scope) -> str:
    """Return a pattern that RE2 takes."""
    try:
        compiled(pattern)
    except BadRegexError as error:
        raise scope.reject(str(error)) from error
    return pattern


def header_text(message: Any, name: str, scope: Scope) -> str:  # noqa: ANN401 - protobuf
    """Return a string field that may hold no NUL and no line break (Envoy's header rules)."""
    text = str(getattr(message, name))
    if _HEADER_BAD.search(text):
        kind = type(message).DESCRIPTOR.name
        camel = "".join(part.capitalize() for part in name.split("_"))
        raise scope.reject(
            f'{kind}ValidationError.{camel}: value does not match regex pattern "^[^\\x00\\n\\r]*$"'
        )
    return text


def percentage(message: Any, scope: Scope) -> float:  # noqa: ANN401 - protobuf
    """Return the value of an envoy.type.v3.Percent that Envoy rounds to a whole number."""
    if isnan(message.value):
        raise scope.reject("Value not in the range of 0..100 range.")
    return float(message.value)


def is_address(text: str) -> bool:
    """Say whether a text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def networks(ranges: Any, scope: Scope) -> tuple[Network, ...]:  # noqa: ANN401 - protobuf
    """Compile a list of envoy.config.core.v3.CidrRange."""
    found = []
    for one in ranges:
        length = int(one.prefix_len.value) if one.HasField("prefix_len") else 0
        try:
            address = ipaddress.ip_address(one.address_prefix)
            length = min(length, address.max_prefixlen)
            network = ipaddress.ip_network(f"{address}/{length}", strict=False)
        except ValueError as error:
            raise scope.reject(f"malformed IP address: {one.address_prefix}") from error
        found.append(network)
    return tuple(found)


def token_bucket(message: Any, scope: Scope) -> Bucket:  # noqa: ANN401 - protobuf
    """Compile an envoy.type.v3.TokenBucket."""
    if not message.max_tokens:
        raise scope.reject("TokenBucketValidationError.MaxTokens: value must be greater than 0")
    interval = nanoseconds(message.fill_interval)
    if interval <= 0:
        raise scope.reject("TokenBucketValidationError.FillInterval: value must be greater than 0s")
    return Bucket(
        max_tokens=int(message.max_tokens),
        tokens_per_fill=(
            int(message.tokens_per_fill.value) if message.HasField("tokens_per_fill") else 1
        ),
        fill_interval_ns=interval,
    )
