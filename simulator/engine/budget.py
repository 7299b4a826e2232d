"""Where a request's time went: is it the service, the network or the compute?

A request is followed from its client's proxy to the last workload, in the attempts that
counted; the parts of its budget add up to the client's latency exactly:

application  workloads at work, and whatever happens where no proxy looks on
queue        in a workload's line, until it began
network      between proxies, and on the way to where nobody answered
proxy        inside proxies before the first attempt: connections to be made, faults, questions
retry        attempts that were made again, with the back-off between them
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from simulator.engine.metrics import Workload
from simulator.engine.summary import Rows

PARTS = ("application", "queue", "network", "proxy", "retry")
_APPLICATION, _QUEUE, _NETWORK, _PROXY, _RETRY = range(len(PARTS))
_INBOUND, _GATEWAY = 1, 2
_COLUMNS = ("span", "parent", "received_ns", "duration_ns", "sent_ns", "waited_ns", "direction",
            "proxy", "endpoint", "attempts")  # fmt: skip


@dataclass(slots=True)
class _Hop:
    span: int
    parent: int
    received_ns: int
    duration_ns: int
    sent_ns: int
    waited_ns: int
    direction: int
    proxy: int
    endpoint: int
    attempts: int
    nexts: list[_Hop] = field(default_factory=list)

    @property
    def ended_ns(self) -> int:
        return self.received_ns + self.duration_ns


def budget(requests: Rows, hops: Rows, workloads: Sequence[Workload | None]) -> Rows:
    """Return a row for each of the requests: the nanoseconds of each of `PARTS`.

    `workloads` are those that the rows' names stand for, and None for no name.
    """
    roots = _trees(hops)
    found = np.zeros((len(requests), len(PARTS)), dtype=np.int64)
    columns = (requests[name].tolist() for name in ("request", "start_ns", "duration_ns", "pod"))
    for at, (number, start_ns, duration_ns, pod) in enumerate(zip(*columns, strict=True)):
        spent = _Spent(workloads)
        spent.client(roots.get(number), start_ns, start_ns + duration_ns, pod)
        found[at] = spent.parts
    return found


def _trees(hops: Rows) -> dict[int, _Hop]:
    """Return the first proxy's hop of each request, with those that it led to."""
    columns = [hops[name].tolist() for name in _COLUMNS]
    places: dict[tuple[int, int], _Hop] = {}
    order = np.argsort(hops["received_ns"], kind="stable").tolist()
    numbers = hops["request"].tolist()
    for at in order:
        hop = _Hop(*(column[at] for column in columns))
        places[numbers[at], hop.span] = hop
    roots: dict[int, _Hop] = {}
    for (number, _), hop in places.items():
        before = places.get((number, hop.parent)) if hop.parent >= 0 else None
        if before is not None and before is not hop:
            before.nexts.append(hop)
        elif hop.parent < 0:
            roots.setdefault(number, hop)
    return roots


class _Spent:
    """What one request has spent so far."""

    __slots__ = ("_ahead", "_workloads", "parts")

    def __init__(self, workloads: Sequence[Workload | None]) -> None:
        self._workloads = workloads
        self._ahead: list[tuple[_Hop, int, int]] = []
        """Chains of calls may be longer than Python's stack."""
        self.parts = [0] * len(PARTS)

    def client(self, first: _Hop | None, start_ns: int, end_ns: int, pod: int) -> None:
        """Take what the client saw; `pod` answered it, if any did."""
        if first is None:
            self.parts[_APPLICATION if pod >= 0 else _NETWORK] += end_ns - start_ns
            return
        # A workload without a proxy may have sent it on.
        seen = first.direction != _INBOUND or pod < 0 or first.proxy == pod
        self._around(first, start_ns, end_ns, _NETWORK if seen else _APPLICATION)
        while self._ahead:
            self._hop(*self._ahead.pop())

    def _around(self, hop: _Hop, start_ns: int, end_ns: int, part: int) -> None:
        """Take a hop between two times, and the rest of the time for a part."""
        begun_ns, ended_ns = min(hop.received_ns, end_ns), min(hop.ended_ns, end_ns)
        self.parts[part] += begun_ns - start_ns + end_ns - ended_ns
        self._ahead.append((hop, begun_ns, ended_ns))

    def _hop(self, hop: _Hop, start_ns: int, end_ns: int) -> None:
        sent_ns = min(hop.received_ns + hop.sent_ns, end_ns) if hop.sent_ns >= 0 else end_ns
        before = _RETRY if hop.attempts > 1 else _PROXY
        self.parts[before] += sent_ns - start_ns
        nexts = [each for each in hop.nexts if sent_ns <= each.received_ns < end_ns]
        if hop.direction == _INBOUND:
            self._work(hop, nexts, sent_ns, end_ns)
            return
        reached = self._workloads[hop.endpoint]
        there = (each for each in nexts if self._workloads[each.proxy] is reached)
        taken = next(there, None) if reached is not None else None
        if taken is not None:
            self._around(taken, sent_ns, end_ns, _NETWORK)
        else:
            unseen = reached is not None and not reached.proxied
            self.parts[_APPLICATION if unseen else _NETWORK] += end_ns - sent_ns

    def _work(self, hop: _Hop, calls: Sequence[_Hop], start_ns: int, end_ns: int) -> None:
        at_ns = min(start_ns + hop.waited_ns, end_ns)
        self.parts[_QUEUE] += at_ns - start_ns
        for call in calls:
            # One call follows the other; what overlaps is not waited for.
            if call.received_ns >= at_ns:
                self._around(call, at_ns, max(min(call.ended_ns, end_ns), at_ns), _APPLICATION)
                at_ns = max(min(call.ended_ns, end_ns), at_ns)
        self.parts[_APPLICATION] += end_ns - at_ns
