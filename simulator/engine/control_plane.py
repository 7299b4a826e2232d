"""istiod and the proxies' streams to it, in time: the machines are pure, here they wait.

What happens is `simulator.istiod.history`'s, when istiod pushes `push`'s, what it says
`discovery`'s, and what a proxy makes of it `simulator.envoy.xds_client`'s.

Models    the way of a change: watch, debounce, snapshot, queue, push, ACK
Follows   istio pilot/pkg/xds/{discovery,ads}.go, envoy source/common/config/grpc_stream.h
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from simulator.config.events import Event, ProxyTrouble
from simulator.config.scenario import Istiod, ScenarioFile
from simulator.engine.draws import Sampler, integers, sampler
from simulator.engine.kernel import Agenda
from simulator.envoy.compile import Config
from simulator.envoy.xds_client import Client
from simulator.envoy_api import Resources
from simulator.envoy_api.discovery import Request, Response
from simulator.istiod.cost import Cores, push_ns, snapshot_ns
from simulator.istiod.discovery import Session, Status
from simulator.istiod.history import Moment
from simulator.istiod.push import Build, Command, Pushes, Tuning, Wake
from simulator.istiod.push import Request as Wanted
from simulator.istiod.registry import Mesh, Pod
from simulator.observe.pushes import Delivery, Push

_WATCH_NS = 5_000_000
"""From the Kubernetes API server to istiod: milliseconds (semantics of an informer)."""
_DRAIN_NS = 5_000_000_000
"""How long a pod that is taken away goes on serving (terminationDrainDuration)."""
_BACKOFF_NS = 500_000_000
_BACKOFF_MAX_NS = 30_000_000_000

Translate: TypeAlias = Callable[[int, Pod], Resources]
"""Returns what istiod sends to a pod's proxy at a moment, by the moment's number."""


class Surroundings:
    """Whoever wants to know of it: by default, nobody."""

    def mesh_changed(self, mesh: Mesh) -> None:
        """Take notice that DNS and kube-proxy know of another mesh from now on."""

    def pod_gone(self, pod: Pod) -> None:
        """Take notice that a pod is there no more."""

    def configured(self, pod: Pod, config: Config) -> None:
        """Take notice that a proxy has another configuration."""


@dataclass(slots=True)
class _Begun:
    """A push under way."""

    number: int
    wanted: Wanted
    begun_ns: int
    built_ns: int = -1


@dataclass(frozen=True, slots=True)
class _Generated:
    """What was written for one proxy."""

    pushes: Pushes
    stream: _Stream
    session: Session
    resources: Resources
    push: int


class _Stream:
    """One proxy and its stream, while it has one."""

    __slots__ = ("_plane", "_to_istiod_ns", "_to_proxy_ns", "client", "first", "pod", "session",
                 "slow_ns", "trouble_until_ns", "way")  # fmt: skip

    def __init__(self, plane: ControlPlane, pod: Pod, way: Sampler) -> None:
        self._plane = plane
        self.pod = pod
        self.way = way
        self.client = Client()
        self.session: Session | None = None
        self.first: tuple[int, str] | None = None
        """What it has connected to, a moment and a version, until somebody asks what that is."""
        self.slow_ns = 0
        self.trouble_until_ns = 0
        """Until when it cannot connect."""
        self._to_proxy_ns = 0
        self._to_istiod_ns = 0

    def settle(self, resources: Resources, version: str) -> None:
        """Connect and take all there is, at once."""
        self.session = Session(resources, version)
        pending = list(self.client.connect())
        while pending:
            for sent in self.session.on_request(pending.pop(0)):
                pending += self.client.on_response(sent)

    def send(self, responses: Iterable[Response], push: int) -> None:
        """Send to the proxy; what is sent later arrives later."""
        agenda = self._plane.agenda
        for each in responses:
            at_ns = max(self._to_proxy_ns, agenda.now + self.way() + self.slow_ns)
            self._to_proxy_ns = at_ns
            agenda.call_at(at_ns, self._take, (self.session, each, push, agenda.now))

    def ask(self, requests: Iterable[Request], answered: Delivery | None = None) -> None:
        """Send to istiod; the first request answers a delivery, if there is one."""
        agenda = self._plane.agenda
        for each in requests:
            at_ns = max(self._to_istiod_ns, agenda.now + self.way())
            self._to_istiod_ns = at_ns
            agenda.call_at(at_ns, self._hear, (self.session, each, answered))
            answered = None

    def _take(self, argument: tuple[Session, Response, int, int]) -> None:
        session, response, push, sent_ns = argument
        if session is not self.session:
            return  # of a stream that has ended
        requests = self.client.on_response(response)
        delivery = Delivery(
            proxy=self.pod.ref,
            push=push,
            kind=response.kind,
            sent_ns=sent_ns,
            taken_ns=self._plane.agenda.now,
            answered_ns=-1,
            error=requests[0].error or "",
        )
        self._plane.surroundings.configured(self.pod, self.client.config)
        self.ask(requests, delivery)

    def _hear(self, argument: tuple[Session, Request, Delivery | None]) -> None:
        session, request, answered = argument
        if session is not self.session:
            return
        if answered is not None:
            now = self._plane.agenda.now
            self._plane.deliveries.append(replace(answered, answered_ns=now))
        push = answered.push if answered is not None else self._plane.latest
        self.send(session.on_request(request), push)


class ControlPlane:
    """istiod, from the first moment of a scenario on."""

    def __init__(
        self,
        agenda: Agenda,
        file: ScenarioFile,
        moments: Sequence[Moment],
        translate: Translate,
        *,
        seed: int,
        surroundings: Surroundings,
    ) -> None:
        self.agenda = agenda
        self.surroundings = surroundings
        self.deliveries: list[Delivery] = []
        """In the order of the answers."""
        self.latest = 0
        """The number of the last push that was built."""
        self._file = file
        self._moments = moments
        self._translate = translate
        self._seed = seed
        self._tuning = _tuning(file.istiod)
        self._pushes = Pushes(self._tuning)
        self._cores = Cores(file.istiod.cores)
        self._streams: dict[str, _Stream] = {}
        self._begun: list[_Begun] = []
        self._known = 0
        """The moment that istiod has heard of."""
        self.built = 0
        """The number of the moment of its snapshot."""
        self._up = True
        for pod in moments[0].mesh.pods:
            self._add(pod, 0)

    def start(self, until_ns: int) -> None:
        """Have all that happens before `until_ns` happen at its time."""
        for number, moment in enumerate(self._moments):
            if number and moment.at_ns < until_ns:
                self.agenda.call_at(moment.at_ns, self._happen, number)
        for event in self._file.events:
            if event.at < until_ns:
                self.agenda.call_at(event.at, self._trouble, event)

    def configuration(self, pod: Pod) -> Config:
        """Return what a pod's proxy has in force."""
        return self._stream(pod.ref).client.config

    def resources(self, pod: Pod) -> Resources:
        """Return what a pod's proxy has in force, as it was sent."""
        stream = self._stream(pod.ref)
        # Secrets are not held back: what istiod has of them is in force.
        return replace(stream.client.resources, secrets=self._translate(self.built, pod).secrets)

    @property
    def mesh(self) -> Mesh:
        """Return the mesh of istiod's snapshot."""
        return self._moments[self.built].mesh

    @property
    def cluster(self) -> Mesh:
        """Return the mesh as it is, whatever istiod knows of it."""
        return self._moments[self._at(self.agenda.now)].mesh

    @property
    def statuses(self) -> dict[str, dict[str, Status]]:
        """Return how each proxy that is connected stands, by its pod."""
        found = ((ref, self._stream(ref).session) for ref in self._streams)
        return {ref: session.status() for ref, session in found if session is not None}

    @property
    def pushes(self) -> tuple[Push, ...]:
        """Return every push that was built."""
        return tuple(self._push(each) for each in self._begun if each.built_ns >= 0)

    def _push(self, begun: _Begun) -> Push:
        mine = [each for each in self.deliveries if each.push == begun.number]
        return Push(
            number=begun.number,
            changes=begun.wanted.changes,
            full=begun.wanted.full,
            changed_ns=begun.wanted.since_ns,
            begun_ns=begun.begun_ns,
            built_ns=begun.built_ns,
            proxies=len({each.proxy for each in mine}),
            done_ns=max((each.answered_ns for each in mine), default=-1),
            refused=sum(bool(each.error) for each in mine),
        )

    def _add(self, pod: Pod, moment: int) -> None:
        """Connect a pod that is ready now: it asked for its configuration while it started."""
        if pod.proxied and pod.ref not in self._streams:
            way = sampler(self._file.network.latency, self._seed, f"xds {pod.ref}")
            stream = self._streams[pod.ref] = _Stream(self, pod, way)
            stream.first = moment, str(self.latest)
            if moment:
                self.surroundings.configured(pod, self.configuration(pod))

    def _stream(self, ref: str) -> _Stream:
        """Return a proxy's stream; what it had at first is made when somebody asks for it."""
        found = self._streams[ref]
        if found.first is not None:
            (moment, version), found.first = found.first, None
            found.settle(self._translate(moment, found.pod), version)
        return found

    def _happen(self, number: int) -> None:
        """Let the cluster go on to its next moment."""
        moment, before = self._moments[number], self._moments[number - 1]
        stay = {pod.ref for pod in moment.mesh.pods}
        for pod in before.mesh.pods:
            if pod.ref not in stay:
                self.agenda.call_after(_DRAIN_NS, self._gone, pod)
        for pod in moment.mesh.pods:
            self._add(pod, number)
        self.surroundings.mesh_changed(moment.mesh)
        self.agenda.call_after(_WATCH_NS, self._hear, number)

    def _gone(self, pod: Pod) -> None:
        if any(each.ref == pod.ref for each in self.cluster.pods):
            return  # it has come back
        stream = self._streams.pop(pod.ref, None)
        if stream is not None:
            stream.session = None
            self._pushes.gone(pod.ref)
        self.surroundings.pod_gone(pod)

    def _at(self, now: int) -> int:
        return max(at for at, moment in enumerate(self._moments) if moment.at_ns <= now)

    def _hear(self, number: int) -> None:
        self._known = max(self._known, number)
        if self._up:
            moment = self._moments[number]
            wanted = Wanted(
                revision=number,
                full=moment.full,
                changes=moment.changes,
                since_ns=self.agenda.now,
            )
            self._obey(self._pushes.changed(self.agenda.now, wanted))

    def _obey(self, commands: Iterable[Command]) -> None:
        agenda, pushes = self.agenda, self._pushes
        for each in commands:
            if isinstance(each, Wake):
                agenda.call_at(each.at_ns, self._due, pushes)
            elif isinstance(each, Build):
                begun = _Begun(len(self._begun) + 1, each.request, agenda.now)
                self._begun.append(begun)
                agenda.call_at(self._snapshot_ns(each.request), self._ready, (pushes, begun))
            else:
                self._generate(pushes, each.proxy, each.request)

    def _due(self, pushes: Pushes) -> None:
        if pushes is self._pushes:
            self._obey(pushes.due(self.agenda.now))

    def _snapshot_ns(self, wanted: Wanted) -> int:
        """Return when a snapshot is built; for endpoints alone the old one serves."""
        if not wanted.full:
            return self.agenda.now
        mesh = self._moments[wanted.revision].mesh
        work = snapshot_ns(len(mesh.manifests.objects) + len(mesh.registered))
        return self._cores.end_ns(self.agenda.now, work)

    def _ready(self, argument: tuple[Pushes, _Begun]) -> None:
        pushes, begun = argument
        if pushes is not self._pushes:
            return
        begun.built_ns = self.agenda.now
        self.built = begun.wanted.revision
        self.latest = begun.number
        connected = [ref for ref, one in self._streams.items() if one.first or one.session]
        self._obey(pushes.built(self.agenda.now, begun.wanted, sorted(connected)))

    def _generate(self, pushes: Pushes, proxy: str, wanted: Wanted) -> None:
        """Work on what one proxy gets; it is sent when that is done."""
        now = self.agenda.now
        stream = self._stream(proxy) if proxy in self._streams else None
        if stream is None or stream.session is None:
            self.agenda.call_at(now, self._pushed, (pushes, proxy))
            return
        resources = self._translate(wanted.revision, stream.pod)
        written = resources.by_kind() if wanted.full else {"endpoints": resources.endpoints}
        work_ns = push_ns(sum(len(each) for each in written.values()))
        answer = _Generated(pushes, stream, stream.session, resources, self.latest)
        self.agenda.call_at(self._cores.end_ns(now, work_ns), self._generated, answer)

    def _generated(self, made: _Generated) -> None:
        if made.stream.session is made.session:
            responses = made.session.push(made.resources, str(made.push))
            made.stream.send(responses, made.push)
        self._pushed((made.pushes, made.stream.pod.ref))

    def _pushed(self, argument: tuple[Pushes, str]) -> None:
        pushes, proxy = argument
        if pushes is self._pushes:
            self._obey(pushes.pushed(proxy))

    def _trouble(self, event: Event) -> None:
        now = self.agenda.now
        if event.restart_istiod is not None:
            self._up = False
            self._pushes = Pushes(self._tuning)
            self.agenda.call_after(event.restart_istiod.down, self._start_again)
            for ref in self._streams:
                self._cut(self._stream(ref), now)
        if event.disconnect is not None:
            for stream in self._of(event.disconnect):
                self._pushes.gone(stream.pod.ref)
                self._cut(stream, now + event.disconnect.for_)
        if event.slow_proxy is not None:
            for stream in self._of(event.slow_proxy):
                stream.slow_ns = event.slow_proxy.by
                self.agenda.call_after(event.slow_proxy.for_, _well, stream)

    def _of(self, trouble: ProxyTrouble) -> list[_Stream]:
        name = trouble.workload if "." in trouble.workload else f"{trouble.workload}.default"
        found = self._streams.items()
        return [self._stream(ref) for ref, one in found if name in (ref, one.pod.deployment)]

    def _start_again(self, _: object) -> None:
        """Begin anew with what there is: proxies that connect are sent that."""
        now = self.agenda.now
        missed = self._moments[self.built + 1 : self._known + 1]
        changes = ("istiod started", *(one for each in missed for one in each.changes))
        wanted = Wanted(revision=self._known, changes=changes, since_ns=now)
        self.latest = len(self._begun) + 1
        self._begun.append(_Begun(self.latest, wanted, now, now))
        self.built = self._known
        self._up = True

    def _cut(self, stream: _Stream, until_ns: int) -> None:
        """End a stream; the proxy tries to connect again from `until_ns` on."""
        stream.session = None
        stream.trouble_until_ns = max(stream.trouble_until_ns, until_ns)
        draw = integers(self._seed, f"xds back-off {stream.pod.ref}")
        self._retry((stream, draw, _BACKOFF_NS))

    def _retry(self, argument: tuple[_Stream, Callable[[], int], int]) -> None:
        stream, draw, base_ns = argument
        wait_ns = 1 + draw() % base_ns
        self.agenda.call_after(wait_ns, self._connect, (stream, draw, base_ns))

    def _connect(self, argument: tuple[_Stream, Callable[[], int], int]) -> None:
        stream, draw, base_ns = argument
        if stream.session is not None or self._streams.get(stream.pod.ref) is not stream:
            return
        if not self._up or self.agenda.now < stream.trouble_until_ns:
            self._retry((stream, draw, min(2 * base_ns, _BACKOFF_MAX_NS)))
            return
        stream.session = Session(self._translate(self.built, stream.pod), str(self.latest))
        stream.ask(stream.client.connect())


def _well(stream: _Stream) -> None:
    stream.slow_ns = 0


def _tuning(written: Istiod) -> Tuning:
    return Tuning(
        debounce_after_ns=written.debounce_after,
        debounce_max_ns=written.debounce_max,
        cores=written.cores,
        push_throttle=written.push_throttle,
    )
