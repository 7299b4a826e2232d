"""When istiod pushes: changes are gathered, a snapshot is built, proxies take their turns.

    a change ─▶ debounce ─▶ Build ─▶ queue ─▶ Push, one proxy in each of so many slots

Everything is told the time, in ns, and answers with what to do: `Wake` it then, `Build`
the snapshot and say `built`, `Push` to a proxy and say `pushed`. Whoever drives it waits.

Models    PILOT_DEBOUNCE_AFTER, PILOT_DEBOUNCE_MAX, PILOT_PUSH_THROTTLE
Follows   istio pilot/pkg/xds/discovery.go (debounce, doSendPushes), pushqueue.go,
          pilot/pkg/features/tuning.go
Leaves    PILOT_ENABLE_EDS_DEBOUNCE=false, the rate limit of new connections
          (docs/fidelity.md#istiod-in-time)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

MILLISECOND_NS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """How istiod is set up; the defaults are its own, on a node of four cores."""

    debounce_after_ns: int = 100 * MILLISECOND_NS
    """How long it must be quiet before changes are pushed."""
    debounce_max_ns: int = 10_000 * MILLISECOND_NS
    """How long it waits for quiet at most."""
    cores: int = 4
    push_throttle: int = 0
    """How many proxies are pushed to at a time; 0: by the number of cores."""

    @property
    def slots(self) -> int:
        """Return how many proxies are pushed to at a time."""
        return self.push_throttle or min(15 + 5 * self.cores, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Changes that are pushed together."""

    revision: int
    """The state of the mesh that is wanted: the latest change's."""
    full: bool = True
    """Whether more than endpoints changed: then a new snapshot is built."""
    changes: tuple[str, ...] = ()
    """What changed, in the order of the changes."""
    since_ns: int
    """When the first of the changes came."""

    def merged(self, later: Request) -> Request:
        """Return one request for both."""
        return Request(
            revision=max(self.revision, later.revision),
            full=self.full or later.full,
            changes=tuple(dict.fromkeys((*self.changes, *later.changes))),
            since_ns=min(self.since_ns, later.since_ns),
        )


@dataclass(frozen=True, slots=True)
class Wake:
    """Call `due` at this time."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class Build:
    """Build the snapshot for a request, then call `built`."""

    request: Request


@dataclass(frozen=True, slots=True)
class Push:
    """Generate and send what a request means for a proxy, then call `pushed`."""

    proxy: str
    request: Request


Command: TypeAlias = Wake | Build | Push


class Debounce:
    """Gathers changes until it is quiet, or has been unquiet for too long."""

    def __init__(self, tuning: Tuning) -> None:
        self._after_ns = tuning.debounce_after_ns
        self._max_ns = tuning.debounce_max_ns
        self._request: Request | None = None
        self._first_ns = 0
        self._last_ns = 0
        self._timer_ns: int | None = None
        self._free = True

    def changed(self, now: int, request: Request) -> tuple[Wake | Build, ...]:
        """Take a change. Only the first one of several sets the timer."""
        self._last_ns = now
        if self._request is not None:
            self._request = self._request.merged(request)
            return ()
        self._request = request
        self._first_ns = now
        return self._wake(now + self._after_ns)

    def due(self, now: int) -> tuple[Wake | Build, ...]:
        """Look whether it is quiet; a timer that has been set anew is not due."""
        if self._timer_ns != now:
            return ()
        self._timer_ns = None
        return self._look(now) if self._free else ()

    def built(self, now: int) -> tuple[Wake | Build, ...]:
        """Take notice that the snapshot is built: the next one may be."""
        self._free = True
        return self._look(now)

    def _look(self, now: int) -> tuple[Wake | Build, ...]:
        quiet_ns = now - self._last_ns
        if now - self._first_ns < self._max_ns and quiet_ns < self._after_ns:
            return self._wake(now + self._after_ns - quiet_ns)
        if self._request is None:
            return ()
        request, self._request = self._request, None
        self._free = False
        return (Build(request),)

    def _wake(self, at_ns: int) -> tuple[Wake]:
        self._timer_ns = at_ns
        return (Wake(at_ns),)


class Queue:
    """Proxies in the order in which they are to be pushed to; each is in it once."""

    def __init__(self) -> None:
        self._waiting: dict[str, Request] = {}
        self._under_way: dict[str, Request | None] = {}
        """What came for a proxy while it was being pushed to."""

    def __len__(self) -> int:
        """Return how many wait for their turn."""
        return len(self._waiting)

    @property
    def busy(self) -> int:
        """Return how many are being pushed to."""
        return len(self._under_way)

    def add(self, proxy: str, request: Request) -> None:
        """Put a proxy at the end; one that waits keeps its place and wants both."""
        line = self._under_way if proxy in self._under_way else self._waiting
        known = line.get(proxy)
        line[proxy] = request if known is None else known.merged(request)

    def take(self) -> tuple[str, Request] | None:
        """Return the first proxy and what it is to be told; it is under way then."""
        if not self._waiting:
            return None
        proxy = next(iter(self._waiting))
        self._under_way[proxy] = None
        return proxy, self._waiting.pop(proxy)

    def done(self, proxy: str) -> None:
        """Take notice that a proxy has been pushed to; it lines up again if more came."""
        again = self._under_way.pop(proxy, None)
        if again is not None:
            self._waiting[proxy] = again

    def forget(self, proxy: str) -> None:
        """Take a proxy out whose stream has ended; a push that is under way comes to its end."""
        self._waiting.pop(proxy, None)
        if proxy in self._under_way:
            self._under_way[proxy] = None


class Pushes:
    """istiod's side of time: from a change to the pushes that it causes."""

    def __init__(self, tuning: Tuning) -> None:
        self._slots = tuning.slots
        self._debounce = Debounce(tuning)
        self._queue = Queue()

    def changed(self, now: int, request: Request) -> tuple[Command, ...]:
        """Take a change of the mesh."""
        return self._debounce.changed(now, request)

    def due(self, now: int) -> tuple[Command, ...]:
        """Take notice that a time has come for which it asked."""
        return self._debounce.due(now)

    def built(self, now: int, request: Request, proxies: Iterable[str]) -> tuple[Command, ...]:
        """Take notice that a snapshot is built; `proxies` are those connected now."""
        for proxy in proxies:
            self._queue.add(proxy, request)
        return (*self._debounce.built(now), *self._next())

    def pushed(self, proxy: str) -> tuple[Command, ...]:
        """Take notice that a proxy was sent all of its request: its slot is free."""
        self._queue.done(proxy)
        return self._next()

    def gone(self, proxy: str) -> None:
        """Take notice that a proxy's stream has ended."""
        self._queue.forget(proxy)

    def _next(self) -> tuple[Push, ...]:
        found = []
        while self._queue.busy < self._slots:
            taken = self._queue.take()
            if taken is None:
                break
            found.append(Push(*taken))
        return tuple(found)
