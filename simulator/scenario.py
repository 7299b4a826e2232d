"""The door: a scenario (a mesh, its load, how its workloads behave) and what comes of it.

    scenario = Scenario.load("labs/catalog/.../scenario.yaml")
    run = scenario.run(seed=1)             # load it, as its clients say
    seen = scenario.probe([Request(url="http://reviews:9080/", from_="sleep.default")])

Everything is deterministic: the same scenario, seed and version give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from simulator.config.scenario import Request, ScenarioFile
from simulator.diagnostics import Diagnostic
from simulator.observe.observation import Observation

if TYPE_CHECKING:
    from simulator.config.objects import Manifests
    from simulator.engine.run import Run
    from simulator.istiod.generate import Translation
    from simulator.istiod.registry import Mesh


class ScenarioError(Exception):
    """The scenario cannot be played; `diagnostics` says why, at least one of them an error."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("\n".join(str(each) for each in diagnostics))
        self.diagnostics = tuple(diagnostics)


class Scenario:
    """A mesh with its behaviours and clients, ready to be run or probed; immutable."""

    file: ScenarioFile
    manifests: Manifests
    mesh: Mesh
    digest: str
    """Of all that decides a run but the seed: hexadecimal, stable across machines."""

    @classmethod
    def load(cls, path: str, manifests: Sequence[str] = ()) -> Scenario:
        """Return the scenario of a file; `manifests` (files, folders) come after the file's own.

        Raises ScenarioError for a file or manifests with errors.
        """
        raise NotImplementedError

    @classmethod
    def of(
        cls, manifests: Sequence[str] | Manifests, file: ScenarioFile | None = None
    ) -> Scenario:
        """Return the scenario of manifests (paths, or loaded ones) and a scenario file's values.

        Raises ScenarioError for manifests with errors.
        """
        raise NotImplementedError

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Return what the loader, istiod and the simulated Envoys have to say of it."""
        raise NotImplementedError

    def translate(self, proxy: str) -> Translation:
        """Return what istiod sends to a proxy, named `POD.NS` or `deploy/NAME.NS`.

        Raises simulator.istiod.registry.UnknownProxyError.
        """
        raise NotImplementedError

    def run(
        self,
        seed: int | None = None,
        until_ns: int | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Run:
        """Let the clients send until `until_ns` (the file's duration) and return what came of it.

        `progress` is told the share done, 0 to 1, about a hundred times.
        Raises ScenarioError for a scenario that makes too many events.
        """
        raise NotImplementedError

    def probe(
        self, requests: Sequence[Request], *, seed: int | None = None, explain: bool = False
    ) -> tuple[Observation, ...]:
        """Send the requests one after the other, without other load; one observation each.

        A request with `count` is sent, and observed, that often.
        """
        raise NotImplementedError

    def replay(self, request: Request, observed: Observation) -> Observation:
        """Send one request with the choices and the workloads' answers of an observation.

        Clusters, endpoints and faults are the observed hops'; workloads answer what they
        answered there, as slowly. All else is decided anew, to be compared.
        """
        raise NotImplementedError
