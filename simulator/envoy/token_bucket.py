"""A token bucket that fills all the time, not by turns.

Follows   envoy/source/common/common/token_bucket_impl.cc (AtomicTokenBucketImpl)
"""

from __future__ import annotations

from dataclasses import dataclass

_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """envoy.type.v3.TokenBucket."""

    max_tokens: int
    tokens_per_fill: int
    fill_interval_ns: int

    @property
    def fill_rate(self) -> float:
        """Return the tokens that a second adds."""
        return self.tokens_per_fill * _SECOND_NS / self.fill_interval_ns


class TokenBucket:
    """The tokens of one bucket; it starts full."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self._tokens = float(bucket.max_tokens)
        self._at = 0

    def take(self, now: int, tokens: int = 1) -> bool:
        """Say whether there were so many tokens; if so, they are gone."""
        self._fill(now)
        if self._tokens < tokens:
            return False
        self._tokens -= tokens
        return True

    def remaining(self, now: int) -> int:
        """Return how many whole tokens are left."""
        self._fill(now)
        return int(self._tokens)

    def wait_ns(self, now: int) -> int:
        """Return when the next token will be there, counted from now."""
        self._fill(now)
        if self._tokens >= 1:
            return 0
        return int((1 - self._tokens) / self.bucket.fill_rate * _SECOND_NS)

    def _fill(self, now: int) -> None:
        added = (now - self._at) * self.bucket.fill_rate / _SECOND_NS
        self._tokens = min(float(self.bucket.max_tokens), self._tokens + added)
        self._at = now
