"""Ask both planes the same invented questions, and say where they do not agree.

Every discrete field of a request's outcome has to be equal: status, headers on both
sides, flags, details, cluster and route. A difference is made small before it is told:
parts of its table and of its request are left out as long as the planes still differ.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sandbox.drivers.driver import Progress
from sandbox.fidelity.generate import Ask, Batch, Json, batch
from sandbox.fidelity.plane import CASE, Plane, Seen, clusters, listener, plane
from simulator.envoy.commands import Attempt, Finish, Response
from simulator.envoy.compile import compile as compile_resources
from simulator.envoy.connection import Connection
from simulator.envoy.draws import NOTHING_FORCED, Forced, Listed
from simulator.envoy.listener import Accepted
from simulator.envoy.proxy import Proxy
from simulator.envoy.rejected import Rejected
from simulator.envoy.request import Request
from simulator.envoy_api import Resources, parse
from simulator.observe.explain import Node, Outcome

_LISTENERS = 24
_ASKS = 20
_SHRINKING_STEPS = 60
_SHRUNK = 5
"""How many differences are made small; the others are told as they are."""
_VOLATILE = frozenset(
    {"date", "x-request-id", "x-envoy-upstream-service-time", "x-echo", "content-length",
     "x-envoy-expected-rq-timeout-ms", "connection", "transfer-encoding", CASE}
)  # fmt: skip
_ENOUGH = 10_000
_LEAST_DECIDED = 20
"""In so many cases as are enough: a field that decides less often is not tested."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One request on which the planes differ."""

    field: str
    real: Any
    simulated: Any
    table: Json
    ask: Ask


@dataclass(frozen=True, slots=True)
class Coverage:
    """How often one field of a table was there, and how often it decided."""

    field: str
    occurred: int
    decided: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """What came of all cases."""

    seed: int
    cases: int
    agreed: int
    refused: int
    """Tables that both planes would refuse; they are not asked."""
    differences: tuple[Difference, ...]
    coverage: tuple[Coverage, ...]

    @property
    def ok(self) -> bool:
        """Say whether the planes agree in every case, and enough cases test every field."""
        covered = self.cases < _ENOUGH or not self.uncovered
        return self.cases > 0 and not self.differences and covered

    @property
    def uncovered(self) -> tuple[Coverage, ...]:
        """Return the fields that decided too seldom to be tested."""
        least = _LEAST_DECIDED * self.cases / _ENOUGH
        return tuple(each for each in self.coverage if each.decided < least)


def compare_cases(count: int, seed: int, on_progress: Progress | None = None) -> Agreement:
    """Ask both planes `count` questions.

    Raises SandboxError.
    """
    occurred: Counter[str] = Counter()
    decided: Counter[str] = Counter()
    differences: list[Difference] = []
    done = refused = number = 0
    with plane(_LISTENERS) as real:
        while done < count:
            batches: list[Batch] = []
            while len(batches) < _LISTENERS and done + len(batches) * _ASKS < count:
                made = batch(seed, number, _ASKS)
                number += 1
                if _accepted(made.table):
                    batches.append(made)
                else:
                    refused += 1
            for one, outcomes in zip(batches, _seen(real, batches), strict=True):
                done += len(one.asks)
                if outcomes is None:
                    differences.append(_only_real_refuses(one))
                    continue
                proxy = _proxy(one.table, real.upstream_port)
                fields = set(_fields(one.table, ""))
                for ask, seen in zip(one.asks, outcomes, strict=True):
                    found, node = _simulated(proxy, ask, seen)
                    occurred.update(fields)
                    decided.update(_deciding(node, one.table))
                    different = _difference(found, seen)
                    if different is not None:
                        differences.append(Difference(*different, one.table, ask))
            if on_progress is not None:
                on_progress(f"{done} cases, {len(differences)} differences")
        small = [_shrunk(real, each) for each in differences[:_SHRUNK]]
    return Agreement(
        seed=seed,
        cases=done,
        agreed=done - len(differences),
        refused=refused,
        differences=(*small, *differences[_SHRUNK:]),
        coverage=tuple(Coverage(name, occurred[name], decided[name]) for name in sorted(occurred)),
    )


def _accepted(table: Json) -> bool:
    try:
        _proxy(table, 1)
    except Rejected:
        return False
    return True


def _seen(real: Plane, batches: Sequence[Batch]) -> Iterator[tuple[Seen, ...] | None]:
    """Yield what each batch's requests came to; nothing for a table that is refused."""
    refused = real.update([each.table for each in batches])
    asks = [(at, ask) for at, each in enumerate(batches) if at not in refused for ask in each.asks]
    found = real.ask(asks)
    start = 0
    for at, each in enumerate(batches):
        if at in refused:
            yield None
            continue
        yield tuple(found[start : start + len(each.asks)])
        start += len(each.asks)


def _only_real_refuses(one: Batch) -> Difference:
    return Difference("table", "refused", "accepted", one.table, one.asks[0])


def _proxy(table: Json, port: int) -> Proxy:
    one = listener("l0")
    one["filter_chains"][0]["filters"][0]["typed_config"].pop("rds")
    one["filter_chains"][0]["filters"][0]["typed_config"]["route_config"] = table
    resources = Resources(
        listeners=(parse(one, "envoy.config.listener.v3.Listener"),),
        clusters=tuple(parse(each, "envoy.config.cluster.v3.Cluster") for each in clusters(port)),
    )
    return Proxy(compile_resources(resources), "case")


@dataclass(frozen=True, slots=True)
class _Found:
    """What the simulated proxy did, in the form of the real one's outcome."""

    status: int
    headers: tuple[tuple[str, str], ...]
    sent: tuple[str, tuple[tuple[str, str], ...]] | None
    flags: str
    details: str
    cluster: str | None
    route: str | None


def _simulated(proxy: Proxy, ask: Ask, seen: Seen) -> tuple[_Found, Node | None]:
    (one,) = proxy.config.listeners.values()
    connection = Connection(address=one.address, port=one.port, source_ip="127.0.0.1")
    accepted = proxy.accept(connection)
    assert isinstance(accepted, Accepted), "the listener takes every connection"
    assert accepted.http is not None, "the listener speaks HTTP"
    headers = tuple((name.lower(), value.strip(" ")) for name, value in ask.headers)
    request = Request(
        method=ask.method, authority=ask.host, path=ask.path, headers=((CASE, "0"), *headers)
    )
    # Without one number to go by, the choice by weight was the real Envoy's own.
    told = [value for name, value in ask.headers if name == "x-random"]
    forced = NOTHING_FORCED if len(told) == 1 else Forced(cluster=seen.log["cluster"])
    stream = proxy.stream(
        accepted.http, request, Listed(), explain=True, connection=connection, forced=forced
    )
    command = stream.start(0)
    sent = None
    if isinstance(command, Attempt):
        sent = _line(command.request)
        answered = stream.on_response(0, Response(status=200))
        assert answered is not None, "an attempt is answered once"
        command = answered
    assert isinstance(command, Finish), "nothing is retried or held back"
    record = stream.record()
    response = command.response
    assert response is not None, "the client waits"
    found = _Found(
        status=response.status,
        headers=_comparable(response.headers),
        sent=sent,
        flags=",".join(command.flags) or "-",
        details=command.details,
        cluster=record.cluster,
        route=record.route,
    )
    return found, stream.node


def _line(request: Request) -> tuple[str, tuple[tuple[str, str], ...]]:
    line = f"{request.method} {request.path} HTTP/1.1"
    return line, _comparable((("host", request.authority), *request.headers))


def _comparable(headers: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, value) for name, value in headers if name not in _VOLATILE))


def _difference(found: _Found, seen: Seen) -> tuple[str, Any, Any] | None:
    """Return the first field that differs, the real plane's value and the simulated one's."""
    sent = None
    if seen.sent is not None:
        pairs = [(str(name), str(value)) for name, value in seen.sent["headers"]]
        sent = (str(seen.sent["line"]), _comparable(pairs))
    pairs_of = (
        ("status", seen.status, found.status),
        ("route", seen.log["route"] or None, found.route),
        ("flags", seen.log["flags"], found.flags),
        ("details", seen.log["details"], found.details),
        ("request line", sent and sent[0], found.sent and found.sent[0]),
        ("request headers", sent and sent[1], found.sent and found.sent[1]),
        ("response headers", _comparable(seen.headers), found.headers),
    )
    for field, real, simulated in pairs_of:
        if real != simulated:
            return field, real, simulated
    return None


# -- making a difference small --------------------------------------------------------------


def _shrunk(real: Plane, difference: Difference) -> Difference:
    """Return the same kind of difference with less in it."""
    steps = 0
    smaller = True
    while smaller and steps < _SHRINKING_STEPS:
        smaller = False
        for table, ask in _smaller(difference):
            steps += 1
            found = _again(real, table, ask)
            if found is not None and found.field == difference.field:
                difference, smaller = found, True
                break
            if steps >= _SHRINKING_STEPS:
                break
    return difference


def _again(real: Plane, table: Json, ask: Ask) -> Difference | None:
    if not _accepted(table):
        return None
    one = Batch(table, (ask,))
    (outcomes,) = _seen(real, [one])
    if outcomes is None:
        return _only_real_refuses(one)
    (seen,) = outcomes
    found, _ = _simulated(_proxy(table, real.upstream_port), ask, seen)
    different = _difference(found, seen)
    return None if different is None else Difference(*different, table, ask)


def _smaller(difference: Difference) -> Iterator[tuple[Json, Ask]]:
    """Yield the case with one part left out, the largest parts first."""
    ask = difference.ask
    for table in _without_one(difference.table):
        yield table, ask
    for at in range(len(ask.headers)):
        fewer = (*ask.headers[:at], *ask.headers[at + 1 :])
        yield difference.table, replace(ask, headers=fewer)


def _without_one(value: Any) -> Iterator[Any]:  # noqa: ANN401 - JSON
    """Yield a JSON value with one element or field left out, outer ones first."""
    if isinstance(value, dict):
        for key in value:
            if key not in ("name", "domains", "match"):
                yield {name: inner for name, inner in value.items() if name != key}
        for key, inner in value.items():
            for smaller in _without_one(inner):
                yield {**value, key: smaller}
    elif isinstance(value, list):
        for at in range(len(value)):
            yield [*value[:at], *value[at + 1 :]]
        for at, inner in enumerate(value):
            for smaller in _without_one(inner):
                yield [*value[:at], smaller, *value[at + 1 :]]


# -- coverage -------------------------------------------------------------------------------


def _fields(value: Any, path: str) -> Iterator[str]:  # noqa: ANN401 - JSON
    """Yield the path of every field of a table, without numbers."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            where = f"{path}.{key}" if path else key
            yield where
            yield from _fields(inner, where)
    elif isinstance(value, list):
        for inner in value:
            yield from _fields(inner, path)


def _deciding(node: Node | None, table: Json) -> set[str]:
    """Return the fields that decided: those the reasons name, and what was carried out."""
    decided = {"name", "virtual_hosts", "validate_clusters"}
    for each in _all(node) if node is not None else ():
        if each.field is None:
            continue
        path = _plain(each.field.path)
        path = path.removeprefix(_INLINE)
        decided.update(_prefixes(path))
        if each.outcome is Outcome.CHOSEN and each.what in ("route", "virtual host", "cluster"):
            decided.update(_fields(_part(table, each.field.path), path))
            # What the table itself says holds for all that it routes.
            shared = {name: inner for name, inner in table.items() if name != "virtual_hosts"}
            decided.update(_fields(shared, ""))
    return decided


_INLINE = "filter_chains.filters.typed_config.route_config."


def _all(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _all(child)


def _prefixes(path: str) -> Iterator[str]:
    parts = path.split(".")
    for end in range(1, len(parts) + 1):
        yield ".".join(parts[:end])


def _plain(path: str) -> str:
    """Return a path without its numbers."""
    out, inside = [], False
    for character in path:
        if character == "[":
            inside = True
        elif character == "]":
            inside = False
        elif not inside:
            out.append(character)
    return "".join(out)


def _part(table: Json, path: str) -> Any:  # noqa: ANN401 - JSON
    """Return what of a table stands at a path; its virtual hosts' routes are left out."""
    steps = path.partition("route_config.")[2] or path
    value: Any = table
    for step in steps.split("."):
        name, _, number = step.partition("[")
        if not isinstance(value, Mapping) or name not in value:
            return {}
        value = value[name]
        if number:
            value = value[int(number.rstrip("]"))]
    if isinstance(value, Mapping):
        return {key: inner for key, inner in value.items() if key != "routes"}
    return value


def told(difference: Difference) -> str:
    """Return a difference as text that can be tried by hand."""
    ask = difference.ask
    lines = [
        f"{difference.field}: Envoy {difference.real!r}, simulator {difference.simulated!r}",
        f"  {ask.method} {ask.path} host: {ask.host} {dict(ask.headers)}",
        f"  {json.dumps(difference.table)}",
    ]
    return "\n".join(lines)
