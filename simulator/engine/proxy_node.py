"""A pod's proxy in a world: its connections, and what is remembered of where they lead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.engine.dialling import Dialling
from simulator.engine.draws import ProxyChance
from simulator.engine.entrance import Entrance, Way
from simulator.engine.exchange import Passage
from simulator.engine.health import Checks
from simulator.engine.lookups import Lookups
from simulator.engine.opening import Opening
from simulator.envoy.cluster import Endpoint
from simulator.envoy.commands import Attempt
from simulator.envoy.compile import Config
from simulator.envoy.connection import Connection
from simulator.envoy.course import Running
from simulator.envoy.dns import Answer
from simulator.envoy.listener import Accepted, Miss
from simulator.envoy.proxy import Proxy
from simulator.envoy.stream import Stream
from simulator.envoy.tls import Certificate
from simulator.envoy.transport import ClientTls, Hello, hello
from simulator.istiod.authn.clients import identity
from simulator.istiod.registry import Pod
from simulator.istiod.sds import asked_of_istiod

if TYPE_CHECKING:
    from simulator.engine.world import World


class ProxyNode:
    """One pod's proxy in a world."""

    __slots__ = ("_accepted", "_entered", "_entrances", "_settling", "certificate", "chance",
                 "checks", "lookups", "pod", "proxy", "queued", "ways", "world")  # fmt: skip

    def __init__(self, world: World, pod: Pod, config: Config, seed: int) -> None:
        self.world = world
        self.pod = pod
        self.proxy = Proxy(config, pod.ref, address=pod.ip, connecting=True, resolve=self._resolve)
        self.chance = ProxyChance(seed, f"proxy {pod.ref}")
        self.queued: dict[Running | Stream, Passage] = {}
        """Requests that wait for a connection."""
        self._settling = False
        self.certificate = Certificate(uri_sans=(identity(world.mesh, pod),))
        """What it shows, whatever the secret is called."""
        self._accepted: dict[Connection, Accepted | Miss] = {}
        self.checks = Checks(self)
        self.lookups = Lookups(self)
        self._entrances: dict[Connection, Entrance] = {}
        self._entered: dict[int, tuple[Connection, Entrance]] = {}
        self.ways: dict[int, Way] = {}
        """Of attempts that are remembered, by their identity."""

    def greet(
        self, tls: ClientTls | None, alpn: tuple[str, ...] = (), host: str = ""
    ) -> Hello | None:
        """Return how it opens a connection; None: in plain text."""
        if tls is None:
            return None
        certificate = self.certificate if tls.certificate else None
        return hello(tls, certificate, alpn, host, ready=self.holds(tls.secrets))

    def holds(self, secrets: tuple[str, ...]) -> bool:
        """Say whether it has been given all certificates and authorities of these names."""
        given = self.proxy.config.secrets
        return all(name in given or not asked_of_istiod(name) for name in secrets)

    def accept(self, connection: Connection, *, explain: bool) -> Accepted | Miss:
        """Return where a connection ends; the same each time, so it is looked for once."""
        if explain:
            return self.proxy.accept(connection, explain=True)
        found = self._accepted.get(connection)
        if found is None:
            found = self._accepted[connection] = self.proxy.accept(connection)
        return found

    def update(self, config: Config) -> None:
        """Take a new configuration; what is under way goes on as it began."""
        self.proxy.update(config, self.world.agenda.now)
        self._accepted.clear()
        self.close()
        self.begin()
        self.settle()

    def begin(self) -> None:
        """Begin what goes on for ever: checks of endpoints, and of names."""
        self.lookups.begin()
        self.checks.begin()

    def close(self) -> None:
        """Forget where connections ended, and the ways of attempts."""
        for entrance in self._entrances.values():
            entrance.is_open = False
        self._entrances.clear()
        self._entered.clear()
        self.ways.clear()

    def entrance(
        self, direction: str, connection: Connection, accepted: Accepted, speaks: str
    ) -> Entrance:
        """Return where requests on a connection enter."""
        if accepted.node is not None:
            return Entrance(self, direction, accepted, connection, speaks)
        found = self._entrances.get(connection)
        if found is None:
            found = self._entrances[connection] = Entrance(
                self, direction, accepted, connection, speaks
            )
        return found

    def entered(self, connection: Connection) -> Entrance | None:
        """Return where this very connection has led before, if that is known."""
        known = self._entered.get(id(connection))
        return known[1] if known is not None else None

    def note(self, connection: Connection, entrance: Entrance) -> None:
        """Take where this very connection leads."""
        self._entered[id(connection)] = connection, entrance

    def way(
        self,
        direction: str,
        endpoint: Endpoint,
        opening: Opening,
        secured: Hello | None = None,
        attempt: Attempt | None = None,
    ) -> Way:
        """Return how a request gets from here to an endpoint."""
        return Way(
            self.pod,
            self.world.link(self.pod).one_way,
            (endpoint.address, endpoint.port),
            opening,
            is_local=direction == "inbound" and self.is_own(endpoint.address),
            secured=secured,
            attempt=attempt,
        )

    def settle(self) -> None:
        """Make the connections that are asked for, and tell those whose waiting has ended."""
        if self._settling:
            # Whoever is at it already tells them too: a turn must not nest in another.
            return
        self._settling = True
        turns, connects = self.proxy.turns, self.proxy.connects
        assert connects is not None, "the world makes the connections"
        while turns or connects:
            while connects:
                Dialling(self, connects.popleft()).start()
            if turns:
                turn = turns.popleft()
                self.queued.pop(turn.waiter).turn(turn.outcome)
        self._settling = False

    def _resolve(self, name: str) -> Answer:
        return self.world.resolve(self.pod, name)

    def is_own(self, address: str) -> bool:
        """Say whether an address is the pod's, as its inbound clusters name it."""
        return address == self.pod.ip or address.startswith("127.")
