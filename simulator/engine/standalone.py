"""One Envoy with a hand-written bootstrap, and workloads wherever its clusters lead.

Requests reach its listeners on whatever address; each endpoint of a static cluster, or
host of a DNS one, is a workload that answers 200.

Leaves    connections back to a listener of its own (docs/fidelity.md#standalone-bootstrap)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from simulator.config.objects import Manifests
from simulator.config.scenario import Request, ScenarioFile
from simulator.diagnostics import Diagnostic, diagnose
from simulator.engine.kernel import TooManyEventsError
from simulator.engine.probe import MAX_EVENTS, Source, probe
from simulator.engine.tally import Tally
from simulator.engine.world import Observer, TooManyRequestsError, World
from simulator.envoy.admin import Page, View, page
from simulator.envoy.bootstrap import load
from simulator.envoy.compile import Config
from simulator.envoy.filters.lasting import EPOCH_NS
from simulator.envoy_api import Resources
from simulator.istiod.registry import Mesh, Pod
from simulator.observe.observation import Observation

_ADDRESS = "192.0.2.1"
"""The Envoy's own: one for documentation, so that no endpoint has it."""
_EVERYWHERE = "0.0.0.0"
_NAME, _NAMESPACE = "envoy", "standalone"


class CircleError(Exception):
    """Requests come back to the Envoy without end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standalone:
    """An Envoy on its own, ready to be probed."""

    mesh: Mesh
    resources: Resources
    config: Config
    numbers: Mapping[tuple[str, str], int]
    """By kind and name, a resource's place in the bootstrap."""
    diagnostics: tuple[Diagnostic, ...]
    """What is accepted but not simulated."""

    @classmethod
    def of(cls, bootstrap: Mapping[str, Any]) -> Standalone:
        """Return the Envoy of a bootstrap's JSON form.

        Raises SchemaError or Rejected for one that Envoy would refuse.
        """
        loaded = load(bootstrap)
        listening = {(_EVERYWHERE, one.port): one for one in loaded.config.listeners.values()}
        config = replace(loaded.config, listening=listening)
        return cls(
            mesh=_mesh(config),
            resources=loaded.resources,
            config=config,
            numbers=dict(_numbers(bootstrap.get("static_resources", {}))),
            diagnostics=(*loaded.diagnostics, *_own_listeners(config)),
        )

    def path(self, kind: str, name: str, field: str) -> str:
        """Return where a resource's field stands in the bootstrap."""
        number = self.numbers.get((kind, name))
        start = "static_resources" if number is None else f"static_resources.{kind}[{number}]"
        return f"{start}.{field}" if number is not None and field else start

    def probe(
        self, requests: Sequence[Request], *, seed: int = 1, source: Source | None = None
    ) -> tuple[Observation, ...]:
        """Send the requests to the Envoy, one after the other; `source` asks for explanations.

        Raises CircleError.
        """
        return self._probe(self._world(seed), requests, source)

    def admin(self, requests: Sequence[Request], path: str, *, seed: int = 1) -> Page:
        """Return what the Envoy's administration interface shows when it has had the requests.

        Raises CircleError.
        """
        tally = Tally()
        world = self._world(seed, tally)
        self._probe(world, requests, None)
        node = world.node(self.mesh.pods[0])
        view = View(
            proxy=node.proxy,
            stats=tally.of[node.pod.ref],
            resources=self.resources,
            dynamic=False,
            now_ns=world.agenda.now,
            epoch_ns=EPOCH_NS,
        )
        return page(view, path)

    def _world(self, seed: int, observer: Observer | None = None) -> World:
        """Return a world in which the proxy is ready to serve."""
        world = World(
            self.mesh,
            ScenarioFile(),
            lambda _: self.config,
            seed=seed,
            observer=observer,
            bodies=True,
        )
        world.node(self.mesh.pods[0])
        hosts = sum(len(one.endpoints) for one in self.config.clusters.values())
        # Requests come when the proxy is ready, and so has checked its endpoints.
        world.agenda.drain(MAX_EVENTS * (1 + hosts))
        return world

    def _probe(
        self, world: World, requests: Sequence[Request], source: Source | None
    ) -> tuple[Observation, ...]:
        try:
            return tuple(
                probe(
                    world,
                    request.model_copy(update={"via": f"{_NAME}.{_NAMESPACE}"}),
                    id=request.id or f"request-{at}",
                    n=n,
                    source=source,
                )
                for at, request in enumerate(requests, start=1)
                for n in range(request.count)
            )
        except (TooManyEventsError, TooManyRequestsError) as stopped:
            message = "a request goes round in a circle: this Envoy sends it to itself"
            raise CircleError(message) from stopped


def _mesh(config: Config) -> Mesh:
    ports: dict[str, list[int]] = {}
    for cluster in config.clusters.values():
        for endpoint in cluster.endpoints:
            ports.setdefault(endpoint.address, []).append(endpoint.port)
    own = _pod(_NAME, _ADDRESS, [one.port for one in config.listeners.values()], gateway=True)
    others = [_pod(address, address, found) for address, found in ports.items()]
    return replace(Mesh.of(Manifests(objects=())), pods=(own, *others), registered=(), services={})


def _pod(name: str, ip: str, ports: Sequence[int], *, gateway: bool = False) -> Pod:
    return Pod(
        name=name,
        namespace=_NAMESPACE,
        ip=ip,
        labels={},
        service_account="default",
        deployment=f"{name}.{_NAMESPACE}",
        version="",
        ports=tuple(ports),
        sidecar=False,
        gateway=gateway,
    )


def _numbers(static: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], int]]:
    for kind, word in (("listeners", "listener"), ("clusters", "cluster")):
        for at, one in enumerate(static.get(kind, ())):
            yield (kind, one.get("name") or f"{word}_{at}"), at


def _own_listeners(config: Config) -> Iterator[Diagnostic]:
    own = {one.port for one in config.listeners.values()}
    for cluster in config.clusters.values():
        for endpoint in cluster.endpoints:
            if endpoint.address.startswith("127.") and endpoint.port in own:
                what = f"{endpoint} is a listener of its own; a workload answers in its place"
                yield diagnose("not-simulated", resource=cluster.name, field="endpoint", what=what)
