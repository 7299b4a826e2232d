"""Keep what a run's requests and proxies did, as columns."""

from __future__ import annotations

from simulator.engine.ask import Ask
from simulator.engine.exchange import Passage
from simulator.envoy.commands import Response
from simulator.observe.record import Names, Rows

DIRECTIONS = ("outbound", "inbound", "gateway")

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

    `status` is -1 where there was no response; the other numbers are of `names`.
    """

    def __init__(self) -> None:
        self.requests = Rows(**_REQUESTS)
        self.hops = Rows(**_HOPS)
        self.names = Names()
        self._directions = {name: at for at, name in enumerate(DIRECTIONS)}

    def answered(self, client: int, ask: Ask) -> None:
        """Take a client's request that has ended; `client` is a number of `names`."""
        answer = ask.answer_
        status, pod, error = -1, -1, -1
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

    def passed(self, passage: Passage) -> None:
        """Take a passage that has ended."""
        record = passage.stream.record()
        number = self.names.number
        self.hops.append(
            passage.trace.number,
            number(passage.node.pod.ref),
            self._directions[passage.direction],
            passage.received_ns,
            passage.ended_ns - passage.received_ns,
            -1 if record.status is None else record.status,
            number(",".join(record.flags)),
            number(record.cluster),
            number(record.endpoint),
            record.attempts,
        )
