"""The request file: a YAML or JSON list of requests, each with its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import ValidationError

from simulator.config.mistakes import describe, mistakes
from simulator.config.nodes import Positions, Sequence
from simulator.config.scenario import Request
from simulator.config.yaml import documents
from simulator.diagnostics import Diagnostic, Level, Position, diagnose


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


def not_plain(requests: Iterable[Request]) -> Iterator[Diagnostic]:
    """Yield an error for each request that is not plain HTTP/1.1, all that is simulated."""
    for at, request in enumerate(requests, start=1):
        if request.protocol != "http1" or request.url.lower().startswith("https:"):
            name = request.id or f"request-{at}"
            yield diagnose("request-not-simulated", request=name, protocol=request.protocol)


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
