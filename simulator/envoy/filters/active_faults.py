"""How many requests each fault filter of one proxy disturbs at the moment.

Follows   envoy/source/extensions/filters/http/fault/fault_filter.cc (tryIncActiveFaults)
"""

from __future__ import annotations

from simulator.observe.explain import FieldRef


class ActiveFaults:
    """The requests that are disturbed, by the filter that does it."""

    def __init__(self) -> None:
        self._filters: dict[object, FieldRef] = {}
        self._counts: dict[FieldRef, int] = {}

    def enter(self, request: object, field: FieldRef, limit: int | None) -> bool:
        """Say whether the filter at `field` may disturb a request; if so, count it once."""
        if request in self._filters:
            return True
        count = self._counts.get(field, 0)
        if limit is not None and count >= limit:
            return False
        self._filters[request] = field
        self._counts[field] = count + 1
        return True

    def leave(self, request: object) -> None:
        """Count a request no more, if it was counted."""
        field = self._filters.pop(request, None)
        if field is not None:
            self._counts[field] -= 1
