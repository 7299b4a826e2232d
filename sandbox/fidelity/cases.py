"""Ask both planes the same invented questions, and say where they do not agree.

Every discrete field of a request's outcome has to be equal (`outcome.py`). A difference
counts if it comes again, and is made small before it is told.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sandbox.drivers.driver import Progress
from sandbox.fidelity.coverage import Coverage, Covered, named, places
from sandbox.fidelity.generate import batch
from sandbox.fidelity.generate.case import LOOPBACK, Ask, Batch, Json, is_http
from sandbox.fidelity.outcome import Compared
from sandbox.fidelity.plane import Fed, Plane, Seen, plane
from sandbox.fidelity.shrink import Difference, shrunk
from sandbox.fidelity.simulated import Clock, Found, play, proxy
from simulator.envoy.rejected import Rejected
from simulator.observe.explain import Node

_LISTENERS = 24
_ASKS = 20
_SHRUNK = 5
"""How many differences are made small; the others are told as they are."""
_ENOUGH = 10_000
_LEAST_DECIDED = 20
"""In so many cases as are enough: a field that decides less often is not tested."""
_ANYWHERE = Fed("l", LOOPBACK, 1)


@dataclass(frozen=True, slots=True)
class Feature:
    """How the planes agree in the cases that one kind of message decides."""

    message: str
    cases: int
    agreed: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """What came of all cases."""

    seed: int
    cases: int
    agreed: int
    refused: int
    """Listeners that both planes would refuse; they are not asked."""
    unsteady: int
    """Differences that did not come again when the real Envoy was asked once more."""
    differences: tuple[Difference, ...]
    features: tuple[Feature, ...]
    coverage: tuple[Covered, ...]

    @property
    def ok(self) -> bool:
        """Say whether the planes agree in every case, and enough cases test every field."""
        covered = self.cases < _ENOUGH or not self.uncovered
        return self.cases > 0 and not self.differences and covered

    @property
    def uncovered(self) -> tuple[Covered, ...]:
        """Return the fields that decided too seldom to be tested."""
        least = _LEAST_DECIDED * self.cases / _ENOUGH
        return tuple(each for each in self.coverage if each.decided < least)


def compare_cases(count: int, seed: int, on_progress: Progress | None = None) -> Agreement:
    """Ask both planes `count` questions.

    Raises SandboxError.
    """
    with plane() as real:
        comparison = _Comparison(real, count)
        number = 0
        while comparison.done < count:
            batches: list[Batch] = []
            left = count - comparison.done
            while len(batches) < _LISTENERS and left > 0:
                made = batch(seed, number, min(_ASKS, left))
                number += 1
                if comparison.accepts(made.listener):
                    batches.append(made)
                    left -= len(made.asks)
            comparison.round(batches)
            if on_progress is not None:
                on_progress(f"{comparison.done} cases, {len(comparison.differences)} differences")
        return comparison.result(seed)


class _Comparison:
    """Both planes, and what came of the cases so far."""

    def __init__(self, real: Plane, count: int) -> None:
        self._real = real
        self._coverage = Coverage(enough=2 * _LEAST_DECIDED * count // _ENOUGH + 1)
        self._cases: Counter[str] = Counter()
        self._agreed: Counter[str] = Counter()
        self._refused = 0
        self._unsteady = 0
        self.done = 0
        self.differences: list[Difference] = []

    def accepts(self, listener: Json) -> bool:
        """Say whether the simulator takes a listener; count those that it refuses."""
        try:
            proxy({"name": "l", **_anywhere(listener)}, self._real.clusters, 1)
        except Rejected:
            self._refused += 1
            return False
        return True

    def round(self, batches: Sequence[Batch]) -> None:
        """Ask both planes about some listeners."""
        for one, seen in zip(batches, self._seen(batches), strict=True):
            self.done += len(one.asks)
            if isinstance(seen, str):
                self._differs(Difference("listener", seen, "accepted", one))
                continue
            self._judge(one, *seen)

    def result(self, seed: int) -> Agreement:
        """Return what came of all cases; some differences are made small."""
        small = [shrunk(each, self._again) for each in self.differences[:_SHRUNK]]
        return Agreement(
            seed=seed,
            cases=self.done,
            agreed=self.done - len(self.differences),
            refused=self._refused,
            unsteady=self._unsteady,
            differences=(*small, *self.differences[_SHRUNK:]),
            features=tuple(
                Feature(kind, self._cases[kind], self._agreed[kind]) for kind in sorted(self._cases)
            ),
            coverage=self._coverage.result(),
        )

    def _seen(self, batches: Sequence[Batch]) -> list[tuple[Fed, Json, list[Seen]] | str]:
        """Return what each batch's requests came to; the reason for a listener that is refused."""
        given = self._real.update(batches)
        there = [(at, one) for at, one in enumerate(given) if not isinstance(one, str)]
        found = self._real.ask(
            [fed for _, (fed, _) in there], [batches[at].asks for at, _ in there]
        )
        seen = {at: (*one, mine) for (at, one), mine in zip(there, found, strict=True)}
        return [seen[at] if at in seen else str(one) for at, one in enumerate(given)]

    def _judge(self, one: Batch, fed: Fed, listener: Json, seen: Sequence[Seen]) -> None:
        outcomes = _played(listener, self._real.clusters, fed, one, seen, explain=True)
        assert outcomes is not None, "it was accepted before"
        compared = Compared(one.listener)
        kinds = {each.path: each.key.partition(".")[0] for each in places(one.listener)}
        for at, (ask, (found, node), real) in enumerate(zip(one.asks, outcomes, seen, strict=True)):
            features = {kinds[path] for path in named(node) if path in kinds}
            self._cases.update(features)
            different = compared.difference(ask, found, node, real)
            if different is None:
                self._agreed.update(features)
                continue
            self._differs(Difference(*different, Batch(one.listener, one.asks[: at + 1])))

        def again(other: Json) -> list[Found] | None:
            if is_http(other) is not is_http(one.listener):
                return None
            played = _played(
                {**other, "name": fed.name, "address": listener["address"]},
                self._real.clusters, fed, one, seen, explain=False,
            )  # fmt: skip
            return None if played is None else [found for found, _ in played]

        self._coverage.add(
            one.listener, [found for found, _ in outcomes], [node for _, node in outcomes], again
        )

    def _differs(self, difference: Difference) -> None:
        """Note a difference, if it comes again."""
        if self._again(difference.batch) is None:
            self._unsteady += 1
        else:
            self.differences.append(difference)

    def _again(self, one: Batch) -> Difference | None:
        """Return the difference in the last request of a batch."""
        if isinstance(one.asks[-1], Ask) is not is_http(one.listener):
            return None
        try:
            proxy({"name": "l", **_anywhere(one.listener)}, self._real.clusters, 1)
        except (Rejected, ValueError):
            return None
        (seen,) = self._seen([one])
        if isinstance(seen, str):
            return Difference("listener", seen, "accepted", one)
        fed, listener, mine = seen
        outcomes = _played(listener, self._real.clusters, fed, one, mine, explain=True)
        if outcomes is None:
            return None
        found, node = outcomes[-1]
        different = Compared(one.listener).difference(one.asks[-1], found, node, mine[-1])
        return None if different is None else Difference(*different, one)


def _anywhere(listener: Json) -> Json:
    address = {"socket_address": {"address": LOOPBACK, "port_value": 1}}
    return {**listener, "address": address}


def _played(
    listener: Json,
    clusters: Sequence[Json],
    fed: Fed,
    one: Batch,
    seen: Sequence[Seen],
    *,
    explain: bool,
) -> list[tuple[Found, Node | None]] | None:
    """Return what a batch's requests come to in the simulator; nothing if it is refused."""
    try:
        simulated = proxy(listener, clusters, fed.port)
    except (Rejected, ValueError):
        return None
    clock = Clock()
    return [
        play(simulated, fed, at, ask, real, clock, explain=explain)
        for at, (ask, real) in enumerate(zip(one.asks, seen, strict=True))
    ]


def told(difference: Difference) -> str:
    """Return a difference as text that can be tried by hand."""
    lines = [
        f"{difference.field}: Envoy {difference.real!r}, simulator {difference.simulated!r}",
        *(f"  {_request(ask) if isinstance(ask, Ask) else asdict(ask)}" for ask in
          difference.batch.asks),
        f"  {json.dumps(difference.batch.listener)}",
    ]  # fmt: skip
    return "\n".join(lines)


def _request(ask: Ask) -> str:
    script = "" if ask.script == ("200",) else f" answered {','.join(ask.script)}"
    return f"{ask.method} {ask.path} host: {ask.host} {list(ask.headers)}{script}"
