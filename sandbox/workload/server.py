"""Serve one pod: answer, call others through the own proxy, and write down what was seen."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from random import Random
from typing import Any, TextIO
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from sandbox.workload.behave import Answers
from sandbox.workload.http2 import Answer, Headers
from simulator.config.scenario import Behaviour, Call

_TURNED_AWAY = 503
_NANOSECONDS = 1_000_000_000
_CALL_TIMEOUT_S = 60
_NEVER_ADDED = ("accept", "accept-encoding", "user-agent", "content-type")


class Workload:
    """The workload of one pod."""

    def __init__(self, told: dict[str, Any], witness: TextIO) -> None:
        self._pod = str(told["pod"])
        self._version = str(told["version"])
        self.behave(Behaviour.model_validate(told["behaviour"]), told["places"])
        self._witness = witness
        self._chance = Random()
        self._inside = 0
        """Requests at work or in line."""
        self._session: aiohttp.ClientSession | None = None

    def behave(self, behaviour: Behaviour, places: list[Any]) -> None:
        """Behave so from the next request on; `places` are those of its calls."""
        self._behaviour = behaviour
        self._places = places
        self._answers = Answers(behaviour, Random())
        limit = behaviour.concurrency
        self._slots = asyncio.Semaphore(limit) if limit else contextlib.nullcontext()

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request of HTTP/1.1."""
        await request.read()
        pairs = [*request.headers.items()]
        status, headers, body = await self._respond(request.method, request.raw_path, pairs)
        return web.Response(status=status, body=body, headers=headers)

    async def serve_http2(self, pairs: Headers, body: bytes) -> Answer:  # noqa: ARG002
        """Answer one request of HTTP/2."""
        pseudo = {name: value for name, value in pairs if name.startswith(":")}
        given = [("host", pseudo.get(":authority", ""))]
        given += [pair for pair in pairs if pair[0] not in pseudo]
        status, headers, said = await self._respond(
            pseudo.get(":method", ""), pseudo.get(":path", ""), given
        )
        length = ("content-length", str(len(said)))
        return [(":status", str(status)), *headers.items(), length], said

    async def _respond(
        self, method: str, path: str, pairs: Headers
    ) -> tuple[int, dict[str, str], bytes]:
        headers = joined(pairs)
        note = {"id": headers.get("x-request-id", ""), "method": method, "path": path}
        self._note("begin", note, headers)
        status = await self._work(pairs)
        self._note("end", note, {})
        said = {"pod": self._pod, "version": self._version, "headers": headers}
        out = {"content-type": "application/json", "x-workload-pod": self._pod}
        if self._version:
            out["x-workload-version"] = self._version
        return status, out, json.dumps(said, separators=(",", ":")).encode()

    async def _work(self, pairs: Headers) -> int:
        """Return the status of the answer, once it is due."""
        behaviour, room = self._behaviour, self._behaviour.queue
        limit = behaviour.concurrency
        if limit is not None and room is not None and self._inside >= limit + room:
            return _TURNED_AWAY
        self._inside += 1
        try:
            async with self._slots:
                turn = self._answers.next()
                if turn.latency_ns:
                    await asyncio.sleep(turn.latency_ns / _NANOSECONDS)
                for call, places in zip(behaviour.calls, self._places, strict=True):
                    await self._call(call, places, pairs)
                return turn.status
        finally:
            self._inside -= 1

    async def close(self) -> None:
        """Close the connections of calls."""
        if self._session is not None:
            await self._session.close()

    async def _call(self, call: Call, places: list[Any], pairs: Headers) -> None:
        if not places:
            return  # its host has no address: the call fails, the answer does not
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True, limit=0),
                timeout=aiohttp.ClientTimeout(total=_CALL_TIMEOUT_S),
                skip_auto_headers=_NEVER_ADDED,
            )
        host, port = self._chance.choice(places)
        url = urlsplit(call.url)
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        passed_on = {name.lower() for name in call.forward}
        headers = CIMultiDict([(name, value) for name, value in pairs if name.lower() in passed_on])
        headers.extend(call.headers)
        headers["Host"] = url.netloc.rpartition("@")[2]
        target = URL(f"http://{host}:{port}{path}", encoded=True)
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with self._session.request(
                call.method, target, headers=headers, allow_redirects=False
            ) as response:
                await response.read()

    def _note(self, what: str, note: dict[str, str], headers: dict[str, str]) -> None:
        seen = {
            "event": what,
            "at_ns": time.time_ns(),
            **note,
            "headers": headers,
            "calls": len(self._behaviour.calls),
        }
        self._witness.write(json.dumps(seen, separators=(",", ":")) + "\n")
        self._witness.flush()


def joined(pairs: Any) -> dict[str, str]:  # noqa: ANN401 - any pairs of texts
    """Return headers by lower-case name, several values joined with `,`."""
    out: dict[str, str] = {}
    for name, value in pairs:
        key = name.lower()
        out[key] = f"{out[key]},{value}" if key in out else value
    return out
