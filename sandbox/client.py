"""Send one request as a client of the mesh would, on a connection of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from sandbox.errors import ProbeTimeout, Unsupported
from sandbox.plan import Place, Plan
from simulator.config.scenario import Request
from simulator.engine.ask import request_of
from simulator.engine.resolve import OUTSIDE, resolve
from simulator.observe.headers import shown

_BODY_CHARACTERS = 4096
_TIMEOUT_S = 30.0
_NEVER_ADDED = ("accept", "accept-encoding", "user-agent", "content-type")


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One request to send: where to connect, and under which request id it will be found."""

    request: Request
    id: str
    n: int
    request_id: str
    places: tuple[Place, ...]
    authority: str
    path: str
    headers: tuple[tuple[str, str], ...]
    error: str = ""
    """Why there is nothing to connect to."""


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
                    places=plan.places(client, target, name),
                    authority=wire.authority,
                    path=wire.path,
                    headers=wire.headers,
                    error=target.error,
                )
            )
    return tuple(out)


async def send(session: aiohttp.ClientSession, errand: Errand, chance: Random) -> Sent:
    """Send one request. Raises ProbeTimeout when no answer comes."""
    if not errand.places:
        return Sent(errand=errand, error=errand.error)
    host, port = chance.choice(errand.places)
    headers = CIMultiDict(errand.headers)
    headers["Host"] = errand.authority
    headers["x-request-id"] = errand.request_id
    started = time.perf_counter_ns()
    try:
        async with session.request(
            errand.request.method,
            URL(f"http://{host}:{port}{errand.path}", encoded=True),
            headers=headers,
            data=errand.request.body.encode() or None,
            allow_redirects=False,
        ) as response:
            text = (await response.read()).decode(errors="replace")
            return Sent(
                errand=errand,
                status=response.status,
                headers=shown((name.lower(), value) for name, value in response.headers.items()),
                body=text[:_BODY_CHARACTERS],
                duration_ns=time.perf_counter_ns() - started,
            )
    except aiohttp.ClientConnectorError:
        return Sent(errand=errand, error="connection refused")
    except TimeoutError as error:
        message = f"{errand.id}: no answer within {_TIMEOUT_S:g} s"
        raise ProbeTimeout(message) from error
    except aiohttp.ClientError:
        return Sent(errand=errand, error="connection closed by the peer before a response")


def session() -> aiohttp.ClientSession:
    """Return a client that opens a connection for each request and adds no headers."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True, limit=0),
        timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S),
        skip_auto_headers=_NEVER_ADDED,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    )


async def send_all(errands_: tuple[Errand, ...], *, at_once: int) -> list[Sent]:
    """Send every request, in order, `at_once` of them at the same time."""
    chance = Random()
    waiting = iter(errands_)
    out: dict[str, Sent] = {}

    async def work(client: aiohttp.ClientSession) -> None:
        for errand in waiting:
            out[errand.request_id] = await send(client, errand, chance)

    async with session() as client, asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(work(client))
    return [out[errand.request_id] for errand in errands_]
