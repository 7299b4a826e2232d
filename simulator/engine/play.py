"""Let a scenario's clients load its mesh, from the first request to the last answer."""

from __future__ import annotations

from collections.abc import Callable

from simulator.config.scenario import Client
from simulator.engine.ask import Ask, request_of
from simulator.engine.exchange import Trace
from simulator.engine.load import SECOND_NS, Ramp, loop
from simulator.engine.recorder import Recorder
from simulator.engine.resolve import OUTSIDE
from simulator.engine.world import World

MAX_EVENTS = 20_000_000
MAX_REQUESTS = 2_000_000
"""That clients may be expected to send: as many as so many events can carry."""
_SLICES = 100


class _Source:
    """A client of the scenario, at work."""

    def __init__(self, world: World, client: Client, recorder: Recorder, traces: _Counter) -> None:
        self._world = world
        self._recorder = recorder
        self._traces = traces
        self._number = recorder.names.number(client.name)
        self._pod = None if client.from_ == OUTSIDE else world.mesh.pod(client.from_)
        self._client = client
        self._look_up()
        world.watch(self._look_up)

    def _look_up(self) -> None:
        client = self._client
        self._target = self._world.target(self._pod, client.url, client.via)
        self._request = request_of(self._target, client.method, client.headers)

    def send(self, then: Callable[[], None]) -> None:
        """Send one request; `then` is called when it has ended."""

        def done(ask: Ask) -> None:
            self._recorder.answered(self._number, ask)
            then()

        ask = Ask(self._world, self._target, Trace(self._traces.next()), done)
        ask.send(self._pod, self._request)


class _Counter:
    def __init__(self) -> None:
        self._last = -1

    def next(self) -> int:
        self._last += 1
        return self._last


def expected(clients: tuple[Client, ...], until_ns: int) -> int:
    """Return how many requests open loops will send on average; users send as they can."""
    sent = 0.0
    for client in clients:
        lasts_ns = max(0, min(client.stop or until_ns, until_ns) - client.start)
        if client.rate is not None:
            sent += client.rate * lasts_ns / SECOND_NS
        elif client.ramp:
            sent += Ramp(client.ramp).sent(lasts_ns)
    return round(sent)


def play(
    world: World,
    clients: tuple[Client, ...],
    recorder: Recorder,
    *,
    seed: int,
    until_ns: int,
    progress: Callable[[float], None] | None = None,
) -> int:
    """Run the clients until `until_ns`, and then whatever is under way to its end.

    Returns how many events it took.

    Raises TooManyEventsError, TooManyRequestsError.
    """
    traces = _Counter()
    for client in clients:
        source = _Source(world, client, recorder, traces)
        loop(world.agenda, client, source.send, seed=seed, until_ns=until_ns).start(client.start)
    budget = MAX_EVENTS
    for at in range(1, _SLICES + 1):
        budget = world.agenda.advance(until_ns * at // _SLICES, budget)
        if progress is not None:
            progress(at / _SLICES)
    return MAX_EVENTS - world.agenda.drain(budget)
