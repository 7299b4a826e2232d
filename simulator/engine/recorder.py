"""Keep what a run's requests and proxies did, as columns."""

from __future__ import annotations

from simulator.engine.ask import Ask
from simulator.engine.exchange import Crossing
from simulator.envoy.commands import Response
from simulator.observe.record import Names, Rows

DIRECTIONS = ("outbound", "inbound", "gateway")
NO_STATUS = -1
CARRIED = 0

_REQUESTS = {
    "request": "i8",
    "client": "i4",
    "start_ns": "i8",
    "duration_ns": "i8",
    "status": "i2",
    "pod": "i4",
    "error": "i4",
}
_HOPS = {
    "request": "i8",
    "proxy": "i4",
    "direction": "u1",
    "received_ns": "i8",
    "duration_ns": "i8",
    "status": "i2",
    "flags": "i4",
    "cluster": "i4",
    "endpoint": "i4",
    "attempts": "i2",
}


class Recorder:
    """The tables of a run; rows are in the order in which things ended.

    `status` is NO_STATUS where there was no response, and CARRIED where a proxy read none
    because it carried TCP; the other numbers are of `names`, -1 is none.
    """

    def __init__(self) -> None:
        self.requests = Rows(**_REQUESTS)
        self.hops = Rows(**_HOPS)
        self.names = Names()
        self._directions = {name: at for at, name in enumerate(DIRECTIONS)}

    def answered(self, client: int, ask: Ask) -> None:
        """Take a client's request that has ended; `client` is a number of `names`."""
        answer = ask.answer_
        status, pod, error = NO_STATUS, -1, -1
        if isinstance(answer, Response):
            status = answer.status
            for name, value in answer.headers:
                if name == "x-workload-pod":
                    pod = self.names.number(value)
                    break
        else:
            error = self.names.number(ask.error)
        self.requests.append(
            ask.trace.number,
            client,
            ask.started_ns,
            ask.ended_ns - ask.started_ns,
            status,
            pod,
            error,
        )

    def passed(self, crossing: Crossing) -> None:
        """Take what a proxy is done with."""
        record = crossing.record()
        status = record.status
        if status is None:
            carried = crossing.protocol is None and not record.flags
            status = CARRIED if carried else NO_STATUS
        number = self.names.number
        self.hops.append(
            crossing.trace.number,
            number(crossing.node.pod.ref),
            self._directions[crossing.direction],
            crossing.received_ns,
            crossing.ended_ns - crossing.received_ns,
            status,
            number(",".join(record.flags)),
            number(record.cluster),
            number(record.endpoint),
            record.attempts,
        )
