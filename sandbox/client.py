"""Send requests as clients of the mesh would: each from where its client stands."""

from __future__ import annotations

import asyncio
import base64
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
from simulator.engine.client import NoCertificateError, opening
from simulator.engine.client import request as asked
from simulator.engine.resolve import OUTSIDE, resolve
from simulator.istiod.registry import Mesh
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
    method: str
    tls: dict[str, Any] | None
    error: str = ""
    """Why there is nothing to connect to."""

    def wire(self, chance: Random) -> dict[str, Any]:
        """Return what the client's process is told to send, to one of the places."""
        host, port = chance.choice(self.places)
        return {
            "host": host,
            "port": port,
            "protocol": "http1" if self.request.protocol == "http1" else "http2",
            "tls": self.tls,
            "method": self.method,
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
        if request.protocol in ("tcp", "tls"):
            raise Unsupported(f"{name} ({request.protocol})", "it sends HTTP alone")
        client = None if request.from_ == OUTSIDE else plan.mesh.pod(request.from_)
        target = resolve(plan.mesh, client, request.url, request.via)
        wire = asked(target, request)
        tls = _tls(plan.mesh, request)
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
                    method=wire.method,
                    tls=tls,
                    error=target.error,
                )
            )
    return tuple(out)


def _tls(mesh: Mesh, request: Request) -> dict[str, Any] | None:
    """Return how a client opens TLS, if it does. Raises Unsupported for one without a key."""
    name = request.id or request.url
    try:
        hello = opening(mesh, request).hello
    except NoCertificateError as error:
        raise Unsupported(name, str(error)) from error
    if hello is None:
        return None
    shown_ = request.tls.client_cert if request.tls is not None else None
    certificate = _pem(mesh, shown_) if shown_ else ""
    if shown_ and "PRIVATE KEY" not in certificate:
        raise Unsupported(name, f"the Secret {shown_} has no key under tls.key")
    return {"sni": hello.sni, "alpn": [*hello.alpn], "certificate": certificate}


def _pem(mesh: Mesh, name: str) -> str:
    """Return the certificate and the key of a Secret `NAMESPACE/NAME`."""
    namespace, _, short = name.rpartition("/")
    place = namespace or "default", short
    for one in mesh.manifests.of("Secret"):
        if (one.namespace, one.name) == place:
            plain, coded = one.spec.string_data, one.spec.data
            return "\n".join(
                plain.get(key) or base64.b64decode(coded.get(key, "")).decode()
                for key in ("tls.crt", "tls.key")
            )
    return ""


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
