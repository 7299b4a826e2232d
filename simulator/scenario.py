"""The door: a scenario (a mesh, its load, how its workloads behave) and what comes of it.

    scenario = Scenario.load("scenario.yaml")
    run = scenario.run(seed=1)             # load it, as its clients say
    seen = scenario.probe([Request(url="http://reviews:9080/", from_="sleep.default")])

Everything is deterministic: the same scenario, seed and version give the same bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from functools import cached_property, partial
from hashlib import blake2b
from pathlib import Path

from simulator.config.changes import read
from simulator.config.load import load as load_manifests
from simulator.config.objects import Manifests
from simulator.config.requests import unsendable
from simulator.config.scenario import Client, Request, ScenarioFile
from simulator.config.yaml import read_model
from simulator.diagnostics import Diagnostic, Level, diagnose
from simulator.engine.client import NoCertificateError, opening
from simulator.engine.control_plane import ControlPlane, Surroundings
from simulator.engine.kernel import Agenda, TooManyEventsError
from simulator.engine.play import MAX_EVENTS, MAX_REQUESTS, expected, play
from simulator.engine.playback import Observed
from simulator.engine.probe import MAX_EVENTS as MAX_PROBE_EVENTS
from simulator.engine.probe import probe as send
from simulator.engine.recorder import Recorder
from simulator.engine.resolve import OUTSIDE
from simulator.engine.run import Run
from simulator.engine.world import MAX_UNDER_WAY, TooManyRequestsError, World
from simulator.envoy.compile import Config, Rejected
from simulator.envoy.compile import compile as compile_resources
from simulator.istiod.generate import Translation, generate
from simulator.istiod.history import history
from simulator.istiod.registry import Mesh, Pod, UnknownProxyError
from simulator.observe.explain import FieldRef, source_of
from simulator.observe.observation import Observation

__all__ = ["Request", "Run", "Scenario", "ScenarioError"]


class ScenarioError(Exception):
    """The scenario cannot be played; `diagnostics` says why, at least one of them an error."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("\n".join(str(each) for each in diagnostics))
        self.diagnostics = tuple(diagnostics)


class Scenario:
    """A mesh with its behaviours and clients, ready to be run or probed.

    It does not change; what is computed of it (configurations) is kept.
    """

    def __init__(
        self, manifests: Manifests, file: ScenarioFile, applied: Sequence[Manifests] = ()
    ) -> None:
        """Use `load` or `of`. Raises ScenarioError for manifests or a file with errors.

        `applied` holds what each of the file's events applies.
        """
        _refuse([one for each in (manifests, *applied) for one in each.diagnostics])
        self.file = file
        self.manifests = manifests
        self.applied = tuple(applied)
        self.mesh = Mesh.of(manifests)
        _refuse(self.mesh.diagnostics)
        objects = [each.objects for each in applied]
        events = list(zip(file.events, objects, strict=True))
        self.moments, wrong = history(self.mesh, manifests, events)
        """The mesh at the beginning, and after each event that changes it."""
        _refuse(wrong)
        _refuse(tuple(_misfits([each.mesh for each in self.moments], file)))
        self._translations: dict[tuple[int, str], Translation] = {}
        self._configs: dict[str, Config] = {}

    @classmethod
    def load(
        cls, path: str, manifests: Sequence[str] = (), stdin_text: str | None = None
    ) -> Scenario:
        """Return the scenario of a file; `manifests` (files, folders, `-`) come after its own.

        Raises ScenarioError for a file or manifests with errors.
        """
        place = Path(path)
        if not place.is_file():
            raise ScenarioError((diagnose("missing-file", path=path),))
        file, found = read_model(path, place.read_text(encoding="utf-8"), ScenarioFile)
        _refuse(found)
        assert file is not None, "a file without errors has a model"
        own = [str(place.parent / each) for each in file.manifests]
        loaded = load_manifests([*own, *manifests], stdin_text)
        return cls(loaded, file, _applied(file, place.parent))

    @classmethod
    def of(cls, manifests: Sequence[str] | Manifests, file: ScenarioFile | None = None) -> Scenario:
        """Return the scenario of manifests (paths, or loaded ones) and a scenario file's values.

        `file.manifests` is not read; files of its events are relative to the working directory.
        Raises ScenarioError for manifests with errors.
        """
        loaded = manifests if isinstance(manifests, Manifests) else load_manifests(manifests)
        written = file or ScenarioFile()
        return cls(loaded, written, _applied(written, Path()))

    @cached_property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What the loader, istiod and the simulated Envoys have to say of it, each once."""
        found = [*self.manifests.diagnostics, *self.mesh.diagnostics]
        for pod in self.mesh.pods:
            if pod.proxied:
                found += self._translation(pod).diagnostics
                found += self.configuration(pod).diagnostics
        return tuple(dict.fromkeys(found))

    @cached_property
    def digest(self) -> str:
        """Of all that decides a run but the seed: hexadecimal, the same on every machine."""
        # Without what is left as it is: a field that is added to the schema changes nothing.
        file = self.file.model_dump(
            mode="json", by_alias=True, exclude={"manifests", "seed"}, exclude_defaults=True
        )
        loaded = [one for each in (self.manifests, *self.applied) for one in each.objects]
        objects = [
            [
                each.api_version,
                each.ref,
                each.labels,
                each.annotations,
                each.spec.model_dump(mode="json") if each.spec is not None else None,
            ]
            for each in loaded
        ]
        text = json.dumps([file, objects], sort_keys=True, separators=(",", ":"))
        return blake2b(text.encode(), digest_size=16).hexdigest()

    def translate(self, proxy: str, at_ns: int = 0) -> Translation:
        """Return what istiod sends to a proxy, named `POD.NS` or `deploy/NAME.NS`, at a time.

        Raises simulator.istiod.registry.UnknownProxyError.
        """
        built = self.at(at_ns).built if at_ns else 0
        return self._translation(self.moments[built].mesh.pod(proxy), built)

    def configuration(self, pod: Pod) -> Config:
        """Return what a pod's Envoy makes of its translation.

        Raises ScenarioError if Envoy would refuse it.
        """
        found = self._configs.get(pod.ref)
        if found is None:
            try:
                found = self._configs[pod.ref] = compile_resources(self._translation(pod).resources)
            except Rejected as refused:
                raise ScenarioError(
                    [
                        diagnose("envoy-rejects", proxy=pod.ref, reason=reason)
                        for reason in refused.reasons
                    ]
                ) from refused
        return found

    def run(
        self,
        seed: int | None = None,
        until_ns: int | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Run:
        """Let the clients send until `until_ns` (the file's duration) and return what came of it.

        `progress` is told the share done, 0 to 1, a hundred times.
        Raises ScenarioError for a scenario that makes too many events.
        """
        chosen = self.file.seed if seed is None else seed
        duration_ns = self.file.duration if until_ns is None else until_ns
        if duration_ns <= 0:
            message = f"a run lasts longer than {duration_ns} ns"
            raise ValueError(message)
        requests = expected(self.file.clients, duration_ns)
        if requests > MAX_REQUESTS:
            what = f"its clients would send some {requests:,} requests, of {MAX_REQUESTS:,} at most"
            raise ScenarioError((diagnose("scenario-too-much", what=what),))
        recorder = Recorder()
        world = self._world(chosen, recorder=recorder)
        plane = None
        if self.file.events:
            plane = self._control_plane(world.agenda, world, chosen, duration_ns)
            world.governed(plane.configuration)
        try:
            events = play(
                world,
                self.file.clients,
                recorder,
                seed=chosen,
                until_ns=duration_ns,
                progress=progress,
            )
        except (TooManyEventsError, TooManyRequestsError) as stopped:
            raise _too_much(stopped, MAX_EVENTS) from stopped
        return Run(
            recorder,
            [each.mesh for each in self.moments],
            title=self.file.title,
            seed=chosen,
            digest=self.digest,
            duration_ns=duration_ns,
            clients=tuple(client.name for client in self.file.clients),
            events=events,
            slos=self.file.slos,
            control=plane,
        )

    def at(self, time_ns: int, seed: int | None = None) -> ControlPlane:
        """Return the control plane as it is at a time of a run.

        Nobody sends a request: what istiod and its proxies do does not depend on that.
        """
        agenda = Agenda()
        chosen = self.file.seed if seed is None else seed
        plane = self._control_plane(agenda, Surroundings(), chosen, time_ns + 1)
        agenda.advance(time_ns, MAX_EVENTS)
        return plane

    def replicate(self, seeds: Sequence[int], executor: Executor | None = None) -> tuple[Run, ...]:
        """Run once with each seed, in this process or through an executor; in their order."""
        return tuple(executor.map(self.run, seeds) if executor else map(self.run, seeds))

    def probe(
        self,
        requests: Sequence[Request],
        *,
        seed: int | None = None,
        explain: bool = False,
        at_ns: int = 0,
    ) -> tuple[Observation, ...]:
        """Send the requests one after the other, without other load; one observation each.

        A request with `count` is sent, and observed, that often. All find the mesh as its events
        have made it at `at_ns`, when the simulated time begins anew.
        Raises simulator.istiod.registry.UnknownProxyError for an unknown `from` or `via`,
        and ScenarioError for a request that cannot be sent.
        """
        _refuse((*unsendable(requests), *_certificates(self.mesh, requests)))
        world = self._world(self.file.seed if seed is None else seed)
        if at_ns:
            plane = self.at(at_ns, seed)
            world.mesh_changed(plane.cluster)
            world.governed(plane.configuration)
        source = partial(self._source, at_ns) if explain else None
        try:
            return tuple(
                send(world, request, id=request.id or f"request-{at}", n=n, source=source)
                for at, request in enumerate(requests, start=1)
                for n in range(request.count)
            )
        except (TooManyEventsError, TooManyRequestsError) as stopped:
            raise _too_much(stopped, MAX_PROBE_EVENTS) from stopped

    def replay(self, request: Request, observed: Observation) -> Observation:
        """Send one request with the choices and the workloads' answers of an observation.

        Clusters, endpoints and faults are the observed hops'; workloads answer what they
        answered there, as slowly. All else is decided anew, to be compared.
        """
        playback = Observed(observed, self.mesh, self.configuration)
        world = self._world(self.file.seed)
        return send(world, request, id=observed.id, n=observed.n, playback=playback)

    def __reduce__(
        self,
    ) -> tuple[type[Scenario], tuple[Manifests, ScenarioFile, Sequence[Manifests]]]:
        """Travel to another process without what is computed: it is made anew there."""
        return Scenario, (self.manifests, self.file, self.applied)

    def _control_plane(
        self, agenda: Agenda, surroundings: Surroundings, seed: int, until_ns: int
    ) -> ControlPlane:
        plane = ControlPlane(
            agenda,
            self.file,
            self.moments,
            lambda moment, pod: self._translation(pod, moment).resources,
            seed=seed,
            surroundings=surroundings,
        )
        plane.start(until_ns)
        return plane

    def _world(self, seed: int, recorder: Recorder | None = None) -> World:
        return World(
            self.mesh,
            self.file,
            self.configuration,
            seed=seed,
            observer=recorder,
            bodies=recorder is None,
        )

    def _translation(self, pod: Pod, moment: int = 0) -> Translation:
        key = moment, pod.ref
        found = self._translations.get(key)
        if found is None:
            mesh = self.moments[moment].mesh
            now = next((each for each in mesh.pods if each.ref == pod.ref), pod)
            found = self._translations[key] = generate(mesh, now)
        return found

    def _source(self, at_ns: int, proxy: str, field: FieldRef) -> str | None:
        return source_of(self.translate(proxy, at_ns).provenance, field)


def _applied(file: ScenarioFile, base: Path) -> list[Manifests]:
    return [read(event, number, base) for number, event in enumerate(file.events)]


def _misfits(meshes: Sequence[Mesh], file: ScenarioFile) -> Iterator[Diagnostic]:
    """Yield what the scenario names and the mesh never has."""
    mesh = meshes[0]
    pods = [pod for each in meshes for pod in each.pods]
    workloads = {pod.deployment for pod in pods}
    known = ", ".join(sorted(workloads))
    for name in file.workloads:
        if _full(name) not in workloads:
            yield diagnose("scenario-workload", workload=name, known=known)
    for event in file.events:
        trouble = event.slow_proxy or event.disconnect
        proxies = workloads | {pod.ref for pod in pods}
        if trouble is not None and _full(trouble.workload) not in proxies:
            yield diagnose("scenario-workload", workload=trouble.workload, known=known)
    for client in file.clients:
        yield from _client_misfits(mesh, client)
        yield from _url_misfits(f"client {client.name}", client.url)
    for name, behaviour in file.workloads.items():
        for call in behaviour.calls:
            yield from _url_misfits(f"workload {name}", call.url)


def _certificates(mesh: Mesh, requests: Sequence[Request]) -> Iterator[Diagnostic]:
    """Yield what keeps a client from showing its certificate."""
    for at, request in enumerate(requests, start=1):
        try:
            opening(mesh, request)
        except NoCertificateError as error:
            name = request.id or f"request-{at}"
            shown = request.tls.client_cert if request.tls else None
            yield diagnose("request-certificate", request=name, certificate=shown, why=str(error))


def _full(workload: str) -> str:
    return workload if "." in workload else f"{workload}.default"


def _url_misfits(whose: str, url: str) -> Iterator[Diagnostic]:
    if not re.fullmatch(r"http://[^/?#\s:]+(:\d{1,5})?([/?]\S*)?", url):
        yield diagnose("scenario-url", whose=whose, url=url)


def _client_misfits(mesh: Mesh, client: Client) -> Iterator[Diagnostic]:
    for name in (client.from_, client.via):
        if name in (None, OUTSIDE):
            continue
        try:
            mesh.pod(str(name))
        except UnknownProxyError as unknown:
            yield diagnose("scenario-client", client=client.name, why=str(unknown))


def _refuse(diagnostics: Sequence[Diagnostic]) -> None:
    if any(each.level is Level.ERROR for each in diagnostics):
        raise ScenarioError(diagnostics)


def _too_much(stopped: Exception, events: int) -> ScenarioError:
    if isinstance(stopped, TooManyRequestsError):
        what = f"more than {MAX_UNDER_WAY:,} requests were inside proxies at a time"
    else:
        what = f"it took more than {events:,} events"
    return ScenarioError((diagnose("scenario-too-much", what=what),))
