"""Keep what a run's requests and proxies did, as columns.

Most of a row says the same as many others: which proxy sent it where, and what came of it.
Such a `way` is kept once, and rows hold its number beside their times.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.engine.ask import Ask
from simulator.engine.crossing import Crossing
from simulator.envoy.access_log import Record
from simulator.envoy.commands import Response
from simulator.observe.record import Names, Rows

DIRECTIONS = ("outbound", "inbound", "gateway")
NO_STATUS = -1
_MOST_KNOWN = 4096
CARRIED = 0
MAX_SPAN = 2**15 - 1
"""The last number of a span; those beyond it share it."""


class Ways:
    """A table whose rows share most of their columns with many others."""

    __slots__ = ("_known", "_rows", "_ways", "append")

    def __init__(self, own: dict[str, str], shared: dict[str, str]) -> None:
        self._rows = Rows(**own, way="i4")
        self.append = self._rows.append
        """Appends a row: its own columns, and the number of its shared ones."""
        self._ways = Rows(**shared)
        self._known: dict[tuple[object, ...], int] = {}

    def way(self, key: tuple[object, ...]) -> int | None:
        """Return the number of the shared columns that go by `key`, if they are known."""
        return self._known.get(key)

    def add(self, key: tuple[object, ...], *values: int) -> int:
        """Return the number of shared columns that are new."""
        number = self._known[key] = len(self._known)
        self._ways.append(*values)
        return number

    def read(self) -> NDArray[Any]:
        """Return a copy of the rows with all columns."""
        rows = self._rows.read()
        shared = self._ways.read()
        own = [name for name in rows.dtype.names or () if name != "way"]
        names = shared.dtype.names or ()
        fields = [(name, rows.dtype[name]) for name in own]
        fields += [(name, shared.dtype[name]) for name in names]
        table = np.empty(len(rows), dtype=np.dtype(fields))
        for name in own:
            table[name] = rows[name]
        for name in names:
            table[name] = shared[name][rows["way"]]
        return table


class Recorder:
    """The tables of a run; rows are in the order in which things ended.

    `status` is NO_STATUS where there was no response, and CARRIED where a proxy read none
    because it carried TCP; the other numbers are of `names`, -1 is none. A hop's `sent_ns` is
    when its last attempt was sent, counted from its reception; its `waited_ns` is the time
    it backed off (outbound) or stood in the workload's line (inbound). It is `mutual` where
    both ends of the connection to the peer (whom an inbound one came from, whom others went to)
    showed a certificate.
    """

    def __init__(self) -> None:
        self.requests = Ways(
            {"request": "i4", "start_ns": "i8", "duration_ns": "i8"},
            {"client": "i4", "status": "i2", "pod": "i4", "error": "i4"},
        )
        self.hops = Ways(
            {
                "request": "i4",
                "span": "i2",
                "parent": "i2",
                "received_ns": "i8",
                "duration_ns": "i8",
                "sent_ns": "i8",
                "waited_ns": "i8",
            },
            {
                "proxy": "i4",
                "direction": "u1",
                "status": "i2",
                "flags": "i4",
                "cluster": "i4",
                "endpoint": "i4",
                "attempts": "i2",
                "mutual": "u1",
                "tcp": "u1",
            },
        )
        self.names = Names()
        self._known: dict[int, tuple[Record, int]] = {}
        self._directions = {name: at for at, name in enumerate(DIRECTIONS)}

    def answered(self, client: int, ask: Ask) -> None:
        """Take a client's request that has ended; `client` is a number of `names`."""
        answer = ask.answer_
        status, pod, error = NO_STATUS, None, ask.error
        if isinstance(answer, Response):
            status = answer.status
            for name, value in answer.headers:
                if name == "x-workload-pod":
                    pod = value
                    break
        key = client, status, pod, error
        way = self.requests.way(key)
        if way is None:
            number = self.names.number
            way = self.requests.add(key, client, status, number(pod), number(error))
        started_ns = ask.started_ns
        self.requests.append(ask.trace.number, started_ns, ask.ended_ns - started_ns, way)

    def passed(self, crossing: Crossing) -> None:
        """Take what a proxy is done with."""
        record = crossing.record()
        known = self._known.get(id(record))
        way = known[1] if known is not None else self._way(record, crossing)
        received_ns, sent_ns = crossing.received_ns, crossing.sent_ns
        span, parent = crossing.span, crossing.parent
        self.hops.append(
            crossing.trace.number,
            span if span < MAX_SPAN else MAX_SPAN,
            parent if parent < MAX_SPAN else MAX_SPAN,
            received_ns,
            crossing.ended_ns - received_ns,
            sent_ns - received_ns if sent_ns >= 0 else -1,
            crossing.waited_ns,
            way,
        )

    def _way(self, record: Record, crossing: Crossing) -> int:
        """Return the number of what a hop has in common with others."""
        proxy, direction = crossing.node.pod.ref, crossing.direction
        status = record.status
        if status is None:
            carried = crossing.protocol is None and not record.flags
            status = CARRIED if carried else NO_STATUS
        where = record.cluster, record.endpoint, record.attempts
        mutual, tcp = _mutual(crossing), crossing.protocol is None
        key = proxy, direction, status, record.flags, where, mutual, tcp
        way = self.hops.way(key)
        if way is None:
            number = self.names.number
            way = self.hops.add(
                key,
                number(proxy),
                self._directions[direction],
                status,
                number(",".join(record.flags)),
                number(record.cluster),
                number(record.endpoint),
                record.attempts,
                mutual,
                tcp,
            )
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        # Proxies hand out one record for all that are equal and came on one connection.
        self._known[id(record)] = record, way
        return way


def _mutual(crossing: Crossing) -> bool:
    if crossing.direction != "inbound":
        secured = crossing.secured
        return secured is not None and secured.certificate is not None
    ends = crossing.accepted.filter_chain.tls is not None
    return ends and crossing.connection.peer is not None
