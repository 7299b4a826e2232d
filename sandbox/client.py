"""Send requests as clients of the mesh would: each from where its client stands."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from sandbox.control import ask
from sandbox.drivers.addressing import Place
from sandbox.errors import ProbeTimeout, Unsupported
from sandbox.plan import Plan
from simulator.config.scenario import Request
from simulator.engine.ask import request_of
from simulator.engine.resolve import OUTSIDE, resolve
from simulator.observe.headers import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One request to send: where to connect, and under which request id it will be found."""

    request: Request
    id: str
    n: int
    request_id: str
    control: Path
    """Of the process that sends it."""
    places: tuple[Place, ...]
    authority: str
    path: str
    headers: tuple[tuple[str, str], ...]
    error: str = ""
    """Why there is nothing to connect to."""

    def wire(self, chance: Random) -> dict[str, Any]:
        """Return what the client's process is told to send, to one of the places."""
        host, port = chance.choice(self.places)
        return {
            "host": host,
            "port": port,
            "method": self.request.method,
            "authority": self.authority,
            "path": self.path,
            "headers": [*self.headers, ("x-request-id", self.request_id)],
            "body": self.request.body,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What the client saw."""

    errand: Errand
    status: int | None = None
    headers: dict[str, str] | None = None
    body: str | None = None
    duration_ns: int | None = None
    error: str | None = None


def errands(
    plan: Plan, requests: Sequence[Request], *, prefix: str, first: int
) -> tuple[Errand, ...]:
    """Return what to send, a request with `count` so often; ids are numbered from `first`.

    Raises Unsupported, or simulator.istiod.registry.UnknownProxyError for an unknown client.
    """
    out: list[Errand] = []
    for number, request in enumerate(requests, 1):
        name = request.id or f"request-{number}"
        if request.protocol != "http1" or request.url.startswith("https:"):
            what = f"{name} ({request.protocol}, {request.url.partition(':')[0]})"
            raise Unsupported(what, "it sends plain HTTP/1.1 alone")
        client = None if request.from_ == OUTSIDE else plan.mesh.pod(request.from_)
        target = resolve(plan.mesh, client, request.url, request.via)
        wire = request_of(target, request.method, request.headers)
        for n in range(request.count):
            out.append(
                Errand(
                    request=request,
                    id=name,
                    n=n,
                    request_id=f"{prefix}-{first + len(out)}",
                    control=plan.control(client.ref if client else OUTSIDE),
                    places=plan.places(client, target, name),
                    authority=wire.authority,
                    path=wire.path,
                    headers=wire.headers,
                    error=target.error,
                )
            )
    return tuple(out)


async def send(errand: Errand, chance: Random) -> Sent:
    """Send one request. Raises ProbeTimeout when no answer comes, SandboxError without a sender."""
    if not errand.places:
        return Sent(errand=errand, error=errand.error)
    answer = await ask(errand.control, {"do": "send", "wire": errand.wire(chance)})
    if "timeout" in answer:
        raise ProbeTimeout(f"{errand.id}: no answer within {answer['timeout']:g} s")
    if "error" in answer:
        return Sent(errand=errand, error=answer["error"])
    return Sent(
        errand=errand,
        status=answer["status"],
        headers=shown((name.lower(), value) for name, value in answer["headers"]),
        body=answer["body"],
        duration_ns=answer["duration_ns"],
    )


async def send_all(errands_: tuple[Errand, ...], *, at_once: int) -> list[Sent]:
    """Send every request, in order, `at_once` of them at the same time."""
    chance = Random()
    waiting = iter(errands_)
    out: dict[str, Sent] = {}

    async def work() -> None:
        for errand in waiting:
            out[errand.request_id] = await send(errand, chance)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(work())
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    return [out[errand.request_id] for errand in errands_]
