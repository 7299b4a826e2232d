"""Send requests at a steady rate, whether or not answers come: an open loop.

A latency counts from when its request was due, so that a server that stalls is not flattered by
the requests which it kept from being sent.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

from sandbox.workload.sending import Wire, send


async def load(wire: Wire, rate: float, seconds: float, prefix: str) -> dict[str, Any]:
    """Return how many requests ended in which way, and each answered one's latency in ns.

    Requests are numbered behind `prefix`, their request ids. Ways are statuses, and errors.
    """
    begun = time.perf_counter_ns()
    ways: Counter[str] = Counter()
    latencies: list[int] = []

    async def one(number: int) -> None:
        due = begun + round(number * 1e9 / rate)
        await asyncio.sleep(max(0, due - time.perf_counter_ns()) / 1e9)
        own = [*wire["headers"], ("x-request-id", f"{prefix}-{number}")]
        answer = await send({**wire, "headers": own})
        if "status" in answer:
            latencies.append(time.perf_counter_ns() - due)
        ways[str(answer.get("status") or answer.get("error") or "timeout")] += 1

    async with asyncio.TaskGroup() as group:
        for number in range(round(rate * seconds)):
            group.create_task(one(number))
    return {"ways": dict(sorted(ways.items())), "latencies_ns": sorted(latencies)}
