"""Put a request's path and host into the form in which routes are looked for.

Models    HttpConnectionManager.normalize_path, merge_slashes, path_with_escaped_slashes_action
Follows   envoy/source/common/http/path_utility.cc
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class EscapedSlashes(StrEnum):
    """What to do with `%2F` and `%5C` in a path."""

    KEEP = "KEEP_UNCHANGED"
    REJECT = "REJECT_REQUEST"
    UNESCAPE_AND_REDIRECT = "UNESCAPE_AND_REDIRECT"
    UNESCAPE_AND_FORWARD = "UNESCAPE_AND_FORWARD"


@dataclass(frozen=True, slots=True, kw_only=True)
class PathRules:
    """What the connection manager does to paths before any filter sees them."""

    normalize: bool = False
    merge_slashes: bool = False
    escaped_slashes: EscapedSlashes = EscapedSlashes.KEEP
