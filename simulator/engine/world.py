"""A mesh at work: the clock, the proxies, the workloads and the network between them.

A world lives for one run or one series of probes. All that a scenario says once and
for all (compiled configuration, addresses) is shared between worlds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from simulator.config.scenario import Behaviour, Port, ScenarioFile, Spoken
from simulator.engine.control_plane import Surroundings
from simulator.engine.crossing import Crossing
from simulator.engine.draws import Sampler, integers, sampler
from simulator.engine.entrance import Entrance, Way
from simulator.engine.exchange import Passage, Trace
from simulator.engine.kernel import Agenda
from simulator.engine.nameserver import look_up
from simulator.engine.network import PLAIN_ANSWER, Delivery, Failure, Receiver, Sender
from simulator.engine.opening import PLAIN, Opening
from simulator.engine.port import Silence, misunderstood
from simulator.engine.proxy_node import ProxyNode
from simulator.engine.resolve import INBOUND_PORT, OUTSIDE, Place, Target, behind, resolve
from simulator.engine.tunnel import Tunnel
from simulator.engine.workload import Replica, Work
from simulator.envoy.commands import Reset
from simulator.envoy.compile import Config
from simulator.envoy.connection import Connection
from simulator.envoy.dns import Answer
from simulator.envoy.listener import Accepted, Miss
from simulator.envoy.request import Request
from simulator.envoy.tls import spiffe
from simulator.envoy.transport import CUT_OFF, NOT_SUPPLIED, Hello, admits, refusal
from simulator.istiod.registry import Mesh, Pod

MAX_UNDER_WAY = 100_000
"""Requests inside proxies at a time; beyond it, a scenario feeds itself."""

T = TypeVar("T")

_IDLE = Behaviour()
_PORT = Port()


class TooManyRequestsError(Exception):
    """More requests were under way at a time than any mesh could hold."""


class Observer(Protocol):
    """Whoever keeps what happened."""

    def passed(self, crossing: Crossing) -> None:
        """Take what a proxy is done with."""
        ...


class Link:
    """One pod's view of the network: how long a way takes, and kube-proxy's choices."""

    __slots__ = ("_choice", "one_way")

    def __init__(self, one_way: Sampler, choice: Callable[[], int]) -> None:
        self.one_way = one_way
        self._choice = choice

    def pick(self, places: Sequence[T]) -> T:
        """Return one of several places; each is as likely."""
        return places[self._choice() % len(places)] if len(places) > 1 else places[0]


class World(Surroundings):
    """Everything that a scenario has in it, at one moment of its time."""

    def __init__(
        self,
        mesh: Mesh,
        file: ScenarioFile,
        configuration: Callable[[Pod], Config],
        *,
        seed: int,
        observer: Observer | None = None,
        bodies: bool = False,
    ) -> None:
        self.mesh = mesh
        self.agenda = Agenda()
        self.bodies = bodies
        """Whether workloads write the bodies of their answers."""
        self._seed = seed
        self._configuration = configuration
        self._observer = observer
        self._behaviours = {_full(name): one for name, one in file.workloads.items()}
        self._pods = {pod.ip: pod for pod in mesh.pods}
        self._nodes: dict[str, ProxyNode] = {}
        self._replicas: dict[str, Replica] = {}
        self._targets: dict[tuple[str, str, str | None], Target] = {}
        self._records = file.dns
        self._latency = file.network.latency
        self._links: dict[str, Link] = {}
        self._under_way = 0
        self._watchers: list[Callable[[], None]] = []

    def governed(self, configuration: Callable[[Pod], Config]) -> None:
        """Have another source of what proxies hold at first."""
        self._configuration = configuration

    def watch(self, changed: Callable[[], None]) -> None:
        """Have a function called whenever names may lead elsewhere."""
        self._watchers.append(changed)

    def mesh_changed(self, mesh: Mesh) -> None:
        """Go on with other pods and services: DNS and kube-proxy know of them at once."""
        self.mesh = mesh
        self._pods |= {pod.ip: pod for pod in mesh.pods}
        self._targets.clear()
        for node in self._nodes.values():
            node.close()
        for changed in self._watchers:
            changed()

    def pod_gone(self, pod: Pod) -> None:
        """Take notice that nobody listens at a pod's address any more."""
        self._pods.pop(pod.ip, None)
        if pod.ref in self._nodes:
            self._nodes[pod.ref].close()

    def configured(self, pod: Pod, config: Config) -> None:
        """Give a proxy a new configuration."""
        node = self._nodes.get(pod.ref)
        if node is not None:
            node.update(config)

    def link(self, source: Pod | None) -> Link:
        """Return how a pod (`None`: whoever is beyond the mesh) is bound to the network."""
        address = source.ip if source else OUTSIDE
        found = self._links.get(address)
        if found is None:
            # A name, not an address: one more pod moves all addresses behind it.
            name = source.ref if source else OUTSIDE
            found = self._links[address] = Link(
                sampler(self._latency, self._seed, f"network {name}"),
                integers(self._seed, f"kube-proxy {name}"),
            )
        return found

    def target(self, client: Pod | None, url: str, via: str | None = None) -> Target:
        """Return where a request of a pod (`None`: beyond the mesh) goes."""
        key = (client.ref if client else OUTSIDE, url, via)
        found = self._targets.get(key)
        if found is None:
            found = self._targets[key] = resolve(self.mesh, client, url, via)
        return found

    def resolve(self, client: Pod, name: str) -> Answer:
        """Return what DNS tells a pod's proxy of a name."""
        # A workload on its own may go by its name (simulator.engine.standalone).
        own = name in self._pods
        return Answer(addresses=(name,)) if own else look_up(self.mesh, self._records, client, name)

    def send(
        self,
        client: Pod | None,
        target: Target,
        request: Request,
        sender: Sender,
        trace: Trace,
        opening: Opening = PLAIN,
    ) -> None:
        """Send a client's request; `sender` is told what comes of it, if anything does."""
        if target.connections:
            assert client is not None, "only pods have proxies"
            node, connection = self.node(client), self.link(client).pick(target.connections)
            usual = trace.plain and opening is PLAIN
            known = node.entered(connection) if usual else None
            if known is not None:
                self._pass(known, request, sender, trace)
                return
            if opening is not PLAIN:
                connection = _opened(connection, opening)
            entered = self._enter(node, "outbound", connection, request, sender, trace, opening)
            if usual and isinstance(entered, Passage):
                node.note(connection, entered.entrance)
        elif target.addresses:
            place = self.link(client).pick(target.addresses)
            way = Way(client, self.link(client).one_way, place, opening)
            Delivery(self, sender, way, request, trace).send()
        else:
            sender.answer(Reset.LOCAL_CONNECTION_FAILURE)

    def receive(self, way: Way, request: Request, sender: Sender, trace: Trace) -> Receiver | None:
        """Take a request that has crossed the network; return who has it now, if anyone."""
        known = way.entrance
        if known is not None and known.is_open and trace.plain:
            return self._pass(known, request, sender, trace)
        source, opening = way.source, way.opening
        place = self._forwarded(way.place, source)
        address, port = place
        pod = self._pods.get(address)
        if pod is None:
            sender.answer(Reset.REMOTE_CONNECTION_FAILURE)
            return None
        if opening.hello is not None and not opening.hello.ready:
            sender.answer(Failure(words=NOT_SUPPLIED))
            return None
        if not (pod.sidecar or pod.gateway):
            return self.work(pod, place, request, sender, trace, opening)
        node, hello = self.node(pod), opening.hello
        connection = Connection(
            address=address,
            port=port,
            listener_port=INBOUND_PORT if pod.sidecar else None,
            transport="tls" if hello is not None else "raw_buffer",
            alpn=opening.alpn,
            sni=hello.sni if hello is not None else "",
            source_ip=source.ip if source else "",
            peer=hello.certificate if hello is not None else None,
            local=node.certificate if hello is not None else None,
            silent=opening.quiet,
        )
        direction = "inbound" if pod.sidecar else "gateway"
        entered = self._enter(node, direction, connection, request, sender, trace, opening)
        # Where kube-proxy draws, the next request may end elsewhere.
        if place is way.place and isinstance(entered, Passage):
            way.entrance = entered.entrance
        return entered

    def hand_over(
        self, way: Way, request: Request, sender: Sender, trace: Trace
    ) -> Receiver | None:
        """Hand a request to the workload beside a proxy; return who has it now, if anyone."""
        replica = way.replica
        if replica is not None and trace.plain:
            work = Work(replica, request, sender, trace)
            replica.take(work)
            return work
        assert way.source is not None, "a proxy has a pod"
        taken = self.work(way.source, way.place, request, sender, trace, way.opening)
        if isinstance(taken, Work):
            way.replica = taken.replica
        return taken

    def work(
        self,
        pod: Pod,
        place: Place,
        request: Request,
        sender: Sender,
        trace: Trace,
        opening: Opening = PLAIN,
    ) -> Receiver | None:
        """Hand a request to a pod's workload, if it listens and understands what is spoken."""
        address, number = place
        replica = self._replica(pod)
        port = replica.behaviour.ports.get(number, _PORT)
        if number not in pod.ports or not port.hears(address):
            sender.answer(Reset.REMOTE_CONNECTION_FAILURE)
            return None
        if opening is not PLAIN or port.speaks is not Spoken.HTTP:
            said = misunderstood(port.speaks, opening, self._names(pod))
            if isinstance(said, Silence):
                return None
            if said is not None:
                sender.answer(said)
                return None
        work = Work(replica, request, sender, trace)
        if trace.playback is None:
            replica.take(work)
        else:
            work.play(*trace.playback.work(pod, number, self.agenda.now))
        return work

    def listens(self, place: Place, source: Pod | None) -> bool:
        """Say whether a connection to a place is taken."""
        address, port = self._forwarded(place, source)
        pod = self._pods.get(address)
        if pod is None:
            return False
        if not (pod.sidecar or pod.gateway):
            return port in pod.ports
        connection = Connection(
            address=address, port=port, listener_port=INBOUND_PORT if pod.sidecar else None
        )
        found = self.node(pod).accept(connection, explain=False)
        # Where no filter chain suits, the connection is closed, but not refused.
        return isinstance(found, Accepted) or found.stage != "listener"

    def identity_of(self, address: str) -> str | None:
        """Return the identity of the proxy at a pod's address."""
        pod = self._pods.get(address)
        return spiffe(self.node(pod).certificate) if pod is not None and pod.proxied else None

    def leave(self, crossing: Crossing) -> None:
        """Take notice that a proxy is done with a request."""
        self._under_way -= 1
        if self._observer is not None and crossing.trace.number >= 0:
            self._observer.passed(crossing)

    def node(self, pod: Pod) -> ProxyNode:
        """Return a pod's proxy."""
        found = self._nodes.get(pod.ref)
        if found is None:
            config = self._configuration(pod)
            found = self._nodes[pod.ref] = ProxyNode(self, pod, config, self._seed)
            found.begin()
        return found

    def _enter(
        self,
        node: ProxyNode,
        direction: str,
        connection: Connection,
        request: Request,
        sender: Sender,
        trace: Trace,
        opening: Opening,
    ) -> Receiver | None:
        if node.checks.warming:
            return node.checks.hold(
                lambda: self._enter(node, direction, connection, request, sender, trace, opening)
            )
        accepted = node.accept(connection, explain=trace.explain)
        if accepted.waits_ns is None:
            return None
        begin = node, direction, connection, accepted, request, sender, trace, opening
        if accepted.waits_ns:

            def late(_: object) -> None:
                self._begin(*begin)

            self.agenda.call_after(accepted.waits_ns, late)
            return None
        return self._begin(*begin)

    def _begin(
        self,
        node: ProxyNode,
        direction: str,
        connection: Connection,
        accepted: Accepted | Miss,
        request: Request,
        sender: Sender,
        trace: Trace,
        opening: Opening,
    ) -> Receiver | None:
        hello = opening.hello
        if isinstance(accepted, Miss):
            if trace.explain:
                trace.misses.append((node, direction, accepted))
            refused = accepted.stage == "listener"
            closed = Failure(words=CUT_OFF) if hello is not None else Reset.CONNECTION_TERMINATION
            sender.answer(Reset.REMOTE_CONNECTION_FAILURE if refused else closed)
            return None
        broken = _handshake(node, accepted, hello)
        rest = opening if accepted.filter_chain.tls is None else opening.unwrapped
        if broken is None and accepted.http is not None and rest.hello is not None:
            broken = PLAIN_ANSWER  # HTTP cannot be read out of a ClientHello
        if broken is not None:
            sender.answer(broken)
            return None
        if accepted.http is None and accepted.tcp is None:
            # A network filter that is not simulated; the configuration's diagnostics name it.
            sender.answer(Reset.CONNECTION_TERMINATION)
            return None
        if accepted.http is not None and rest.silent:
            return None  # each waits for the other to speak
        if accepted.http is not None:
            entrance = node.entrance(direction, connection, accepted, rest.speaks)
            return self._pass(entrance, request, sender, trace)
        self._under_way += 1
        if self._under_way > MAX_UNDER_WAY:
            raise TooManyRequestsError
        tunnel = Tunnel(node, direction, accepted, sender, trace, rest)
        if trace.crossings is not None:
            trace.crossings.append(tunnel)
        tunnel.start(connection, request)
        return tunnel

    def _pass(self, entrance: Entrance, request: Request, sender: Sender, trace: Trace) -> Passage:
        self._under_way += 1
        if self._under_way > MAX_UNDER_WAY:
            raise TooManyRequestsError
        passage = Passage(entrance, sender, trace)
        if trace.crossings is not None:
            trace.crossings.append(passage)
        passage.start(request)
        return passage

    def _forwarded(self, place: Place, source: Pod | None) -> Place:
        """Return the pod's place that kube-proxy makes of a service's; others as they are."""
        if place[0] in self._pods:
            return place
        places = behind(self.mesh, *place)
        return self.link(source).pick(places) if places else place

    def _names(self, pod: Pod) -> tuple[str, ...]:
        """Return the hosts that a workload's own certificate bears."""
        return tuple(
            service.hostname
            for service in self.mesh.services.values()
            if any(endpoint.address == pod.ip for endpoint in service.endpoints)
        )

    def _replica(self, pod: Pod) -> Replica:
        found = self._replicas.get(pod.ref)
        if found is None:
            behaviour = self._behaviours.get(pod.deployment, _IDLE)
            found = self._replicas[pod.ref] = Replica(self, pod, behaviour, self._seed)
        return found


def _handshake(node: ProxyNode, accepted: Accepted, hello: Hello | None) -> Failure | Reset | None:
    """Return why a connection's two ends do not agree; None where they do."""
    server = accepted.filter_chain.tls
    if server is None:
        return None
    if hello is None:
        return Reset.CONNECTION_TERMINATION
    if not node.holds(server.secrets):
        return Failure(words=CUT_OFF)
    words = refusal(hello, node.certificate)
    if words:
        return Failure(words=words)
    # A client of TLS 1.3 is done before the server has looked at its certificate.
    return None if admits(server, hello.certificate) else Reset.CONNECTION_TERMINATION


def _opened(connection: Connection, opening: Opening) -> Connection:
    """Return a connection that a sidecar has captured, with what the client says on it."""
    hello = opening.hello
    return replace(
        connection,
        transport="raw_buffer" if hello is None else "tls",
        alpn=opening.alpn,
        sni="" if hello is None else hello.sni,
        silent=opening.quiet,
    )


def _full(workload: str) -> str:
    """Return `NAME.NAMESPACE`."""
    return workload if "." in workload else f"{workload}.default"
