"""What the filters of one proxy keep beyond a request."""

from __future__ import annotations

from collections import deque

from simulator.envoy.commands import Copy
from simulator.envoy.filters.active_faults import ActiveFaults
from simulator.envoy.token_bucket import Bucket, TokenBucket
from simulator.observe.explain import FieldRef

EPOCH_NS = 1_767_225_600_000_000_000
"""The wall clock's time at the simulated time 0, unless said otherwise: the start of 2026."""


class Lasting:
    """State that outlives requests, and the date that simulated time counts from."""

    def __init__(self, epoch_ns: int = EPOCH_NS, address: str = "") -> None:
        self.epoch_ns = epoch_ns
        self.address = address
        """The proxy's own, from which it connects upstream; empty: nobody has said."""
        self.faults = ActiveFaults()
        self.copies: deque[Copy] = deque()
        """Requests to be sent beside those that the router has sent."""
        self._buckets: dict[FieldRef, TokenBucket] = {}

    def bucket(self, field: FieldRef, bucket: Bucket) -> TokenBucket:
        """Return the tokens of the bucket configured at `field`; a changed one starts anew."""
        found = self._buckets.get(field)
        if found is None or found.bucket != bucket:
            found = self._buckets[field] = TokenBucket(bucket)
        return found
