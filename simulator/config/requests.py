"""The request file: a YAML or JSON list of requests, each with its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import ValidationError

from simulator.config.mistakes import describe, mistakes
from simulator.config.nodes import Positions, Sequence
from simulator.config.scenario import Request
from simulator.config.yaml import documents
from simulator.diagnostics import Diagnostic, Level, Position, diagnose

_SCHEMES = {
    "http1": ("http", "https"),
    "http2": ("http", "https"),
    "grpc": ("http", "https"),
    "tcp": ("tcp",),
    "tls": ("tls", "tcp"),
    "dns": ("dns",),
}
"""The schemes of the URLs that go with a protocol."""


_PLAIN = {("http", "http1"), ("http", "http2"), ("http", "grpc"), ("tcp", "tcp"), ("dns", "dns")}
"""Schemes and protocols without TLS."""


def read_requests(name: str, text: str) -> tuple[tuple[Request, ...], tuple[Diagnostic, ...]]:
    """Return the requests of a file's text; none, and what is wrong, for a broken one.

    `name` is the file's, for positions.
    """
    found, diagnostics = documents(name, text)
    if any(each.level is Level.ERROR for each in diagnostics):
        return (), diagnostics
    if not found:
        return (), (*diagnostics, diagnose("no-requests", position=Position(name, 1)))
    root = found[0].node
    if len(found) > 1:
        place = found[1].positions.nearest("")
        return (), (*diagnostics, diagnose("several-documents", position=place))
    if not isinstance(root, Sequence):
        place, got = found[0].positions.nearest(""), describe(root.plain())
        wanted = "a list of requests (`- url: http://…` items)"
        return (), (*diagnostics, diagnose("wrong-type", position=place, wanted=wanted, got=got))
    if not root.items:
        place = found[0].positions.nearest("")
        return (), (*diagnostics, diagnose("no-requests", position=place))
    requests, refused = _items(name, root)
    return ((), (*diagnostics, *refused)) if refused else (requests, diagnostics)


def unsendable(requests: Iterable[Request]) -> Iterator[Diagnostic]:
    """Yield an error for each request whose URL does not go with its protocol."""
    for at, request in enumerate(requests, start=1):
        scheme, found, _ = request.url.partition("://")
        # What is no URL at all is told as the client tells it.
        if found and scheme.lower() not in _SCHEMES[request.protocol]:
            name = request.id or f"request-{at}"
            wanted = " or ".join(f"{each}://" for each in _SCHEMES[request.protocol])
            said = request.protocol
            yield diagnose(
                "request-scheme", request=name, protocol=said, scheme=scheme, wanted=wanted
            )
        elif request.tls is not None and (scheme.lower(), request.protocol) in _PLAIN:
            yield diagnose("request-tls", request=request.id or f"request-{at}")


def _items(name: str, root: Sequence) -> tuple[tuple[Request, ...], list[Diagnostic]]:
    requests: dict[str, Request] = {}
    refused: list[Diagnostic] = []
    for at, node in enumerate(root.items, start=1):
        positions = Positions(name, node)
        try:
            request = Request.model_validate(node.plain(), by_alias=True, by_name=False)
        except ValidationError as error:
            refused += mistakes(error, Request, positions)
            continue
        called = request.id or f"request-{at}"
        if called in requests:
            refused.append(diagnose("repeated-id", position=positions.nearest("id"), id=called))
        requests[called] = request
    return tuple(requests.values()), refused
