"""A mesh in the course of a scenario: as it is at first, and after each thing that happens.

A pod that is added is there when it is ready, one that is taken away is gone from its
services at once. Pods and services keep their addresses.

Follows   istio pilot/pkg/xds/eds.go (what changes more than endpoints)
Leaves    the rollout of a changed template: its pods are replaced at one stroke
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush

from simulator.config.changes import WORKLOADS, change, changed
from simulator.config.events import Event
from simulator.config.objects import Manifests, Object
from simulator.diagnostics import Diagnostic
from simulator.istiod.registry import Mesh
from simulator.istiod.service import Resolution, Service


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The mesh from a time on."""

    at_ns: int
    mesh: Mesh
    changes: tuple[str, ...] = ()
    """What made it so."""
    full: bool = True
    """Whether more than endpoints changed."""


def history(
    first: Mesh, manifests: Manifests, events: Sequence[tuple[Event, Sequence[Object]]]
) -> tuple[tuple[Moment, ...], tuple[Diagnostic, ...]]:
    """Return the mesh at the beginning and after each event, and what is wrong with those.

    Each event comes with the objects that it applies.
    """
    course = _Course(first, manifests)
    pending: list[tuple[int, int, Event | None, Sequence[Object]]] = [
        (event.at, number, event, objects) for number, (event, objects) in enumerate(events)
    ]
    heapify(pending)
    while pending:
        at_ns, number, event, objects = heappop(pending)
        if event is None:
            course.ready(at_ns, objects)
            continue
        starting = course.happens(event, objects)
        if starting:
            heappush(pending, (at_ns + event.ready, number, None, starting))
    return tuple(course.moments), tuple(course.wrong)


class _Course:
    def __init__(self, first: Mesh, manifests: Manifests) -> None:
        self.moments = [Moment(at_ns=0, mesh=first)]
        self.wrong: list[Diagnostic] = []
        self._known = first.addresses
        self._wanted = manifests
        """As the manifests have been changed."""
        self._running = manifests
        """The same without the pods that are not ready yet."""

    def happens(self, event: Event, objects: Sequence[Object]) -> list[Object]:
        """Take an event; return the workloads of which it adds pods."""
        made = change(self._wanted, event, objects)
        self.wrong += made.diagnostics
        self._wanted = changed(self._wanted, made.put, made.removed, event.at)
        starting = [each for each in made.put if _adds_pods(self._running, each)]
        now = [each for each in made.put if each not in starting]
        self._go_on(event.at, now, made.removed, made.words)
        return starting

    def ready(self, at_ns: int, starting: Sequence[Object]) -> None:
        """Take notice that pods are ready, of the workloads that are still wanted."""
        wanted = [self._wanted.find(each) for each in starting]
        put = [each for each in wanted if each is not None]
        self._go_on(at_ns, put, (), tuple(f"pods of {each.ref} ready" for each in put))

    def _go_on(
        self, at_ns: int, put: Sequence[Object], removed: Sequence[Object], words: tuple[str, ...]
    ) -> None:
        if not put and not removed:
            return
        self._running = changed(self._running, put, removed, at_ns)
        before = self.moments[-1].mesh
        mesh = Mesh.of(self._running, self._known)
        self._known = self._known | mesh.addresses
        self.wrong += [each for each in mesh.diagnostics if each not in before.diagnostics]
        workloads = all(each.kind in WORKLOADS for each in (*put, *removed))
        full = not workloads or _more_than_endpoints(before, mesh)
        self.moments.append(Moment(at_ns=at_ns, mesh=mesh, changes=words, full=full))


def _adds_pods(manifests: Manifests, given: Object) -> bool:
    if given.kind not in WORKLOADS:
        return False
    known = manifests.find(given)
    return known is None or _replicas(given) > _replicas(known)


def _replicas(workload: Object) -> int:
    count = getattr(workload.spec, "replicas", None)
    return 1 if count is None else count


def _more_than_endpoints(before: Mesh, after: Mesh) -> bool:
    """Say whether a change of pods shows in what is sent besides endpoints."""
    if before.services.keys() != after.services.keys():
        return True
    return any(_shape(before.services[host]) != _shape(one) for host, one in after.services.items())


def _shape(service: Service) -> tuple[Service, object]:
    accounts = {each.service_account for each in service.endpoints}
    each_counts = service.resolution is Resolution.ORIGINAL
    return replace(service, endpoints=()), service.endpoints if each_counts else accounts
