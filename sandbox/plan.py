"""All that a mesh is made of, decided before anything starts.

Pure but for the keys of its certificates: a scenario and a driver's addressing give, for each
pod, the resources of its proxy and what its workload does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sandbox.ca import Authority, secrets
from sandbox.drivers.addressing import Addressing, Place
from sandbox.drivers.rebind import Rebound
from sandbox.drivers.witness import witnessed
from sandbox.errors import SandboxError, Unsupported
from simulator.config.scenario import Behaviour
from simulator.engine.resolve import OUTSIDE, Target, resolve
from simulator.envoy_api import Resources
from simulator.istiod.authn.clients import identity
from simulator.istiod.registry import Mesh, Pod
from simulator.scenario import Scenario

_IDLE = Behaviour()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """One Envoy of the mesh."""

    pod: Pod
    rebound: Rebound
    admin_socket: str
    """Below the run directory."""

    @property
    def node(self) -> str:
        """Return the node id, in Istio's form."""
        kind = "router" if self.pod.gateway else "sidecar"
        domain = f"{self.pod.namespace}.svc.cluster.local"
        return f"{kind}~{self.pod.ip}~{self.pod.ref}~{domain}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One sandbox."""

    mesh: Mesh
    run_dir: Path
    addressing: Addressing
    authority: Authority
    proxies: dict[str, Proxy]
    """By `POD.NAMESPACE`."""
    workloads: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By `POD.NAMESPACE`, or `outside`, what the process there is told."""

    def places(self, client: Pod | None, target: Target, what: str) -> tuple[Place, ...]:
        """Return where to connect for a target; one of several is drawn.

        Raises Unsupported for a connection that only interception could take.
        """
        if client is None or not client.sidecar:
            return tuple(self.addressing.direct(*each) for each in target.addresses)
        listeners = self.proxies[client.ref].rebound.listeners
        return tuple(
            self.addressing.captured(listeners, one.address, one.port, what)
            for one in target.connections
        )

    def control(self, client: str) -> Path:
        """Return the socket on which the process of a pod, or `outside`, takes commands."""
        return self.run_dir / str(self.workloads[client]["control"])

    def admin(self, pod: str) -> Path:
        """Return the socket of a proxy's admin interface."""
        return self.run_dir / self.proxies[pod].admin_socket


def plan(scenario: Scenario, run_dir: Path, addressing: Addressing) -> Plan:
    """Return the plan of a scenario's mesh.

    Raises Unsupported for a workload's call that the driver cannot carry.
    """
    mesh = scenario.mesh
    authority = Authority(mesh.config.trust_domain)
    made = Plan(
        mesh=mesh,
        run_dir=run_dir,
        addressing=addressing,
        authority=authority,
        proxies=proxies(scenario, addressing, authority),
    )
    behaviours = _behaviours(scenario)
    for pod in mesh.pods:
        behaviour = behaviours.get(pod.deployment, _IDLE)
        made.workloads[pod.ref] = workload(made, pod, behaviour)
    made.workloads[OUTSIDE] = outsider(made)
    return made


def proxies(
    scenario: Scenario,
    addressing: Addressing,
    authority: Authority,
    before: Mapping[str, Proxy] = MappingProxyType({}),
) -> dict[str, Proxy]:
    """Return the proxies of a scenario's mesh, by `POD.NAMESPACE`.

    Those that were there `before` keep their certificates, the others get new ones.
    """
    mesh = scenario.mesh
    found: dict[str, Proxy] = {}
    for pod in mesh.pods:
        if not (pod.sidecar or pod.gateway):
            continue
        given = scenario.translate(pod.ref).resources
        if pod.ref in before:
            given = _with(given, before[pod.ref].rebound.resources.secrets)
        own = replace(given, secrets=secrets(given, identity(mesh, pod), authority))
        found[pod.ref] = Proxy(
            pod=pod,
            rebound=addressing.carry(own, pod),
            # By number: a pod's name may be longer than a socket's path can be.
            admin_socket=f"admin/{len(found)}.sock",
        )
    return found


def _with(given: Resources, secrets_: Iterable[Any]) -> Resources:
    names = {each.name for each in given.secrets}
    kept = tuple(each for each in secrets_ if each.name not in names)
    return replace(given, secrets=(*given.secrets, *kept))


def served(proxy: Proxy) -> Resources:
    """Return the resources that a proxy is sent: carried over, and telling what it does."""
    log = f"access/{proxy.pod.ref}.jsonl"
    return witnessed(proxy.rebound.resources, log, gateway=proxy.pod.gateway)


def _behaviours(scenario: Scenario) -> dict[str, Behaviour]:
    return {
        name if "." in name else f"{name}.default": behaviour
        for name, behaviour in scenario.file.workloads.items()
    }


def outsider(made: Plan) -> dict[str, Any]:
    """Return what the client beyond the mesh is told."""
    return _told(made, OUTSIDE)


def workload(made: Plan, pod: Pod, behaviour: Behaviour) -> dict[str, Any]:
    """Return what the workload of a pod is told."""
    ports = () if pod.gateway else pod.ports
    return {
        **_told(made, pod.ref),
        "version": pod.version,
        "listen": [list(made.addressing.listens(pod.ref, port)) for port in ports],
        "behaviour": behaviour.model_dump(mode="json", exclude_none=True),
        "places": [_places(made, pod, call.url) for call in behaviour.calls],
    }


def _told(made: Plan, name: str) -> dict[str, Any]:
    """Return what a process is told that serves nothing, and sends requests when asked to."""
    return {
        "pod": name,
        "version": "",
        "listen": [],
        "behaviour": {},
        "places": [],
        "witness": f"witness/{name}.jsonl",
        "control": f"control/{len(made.workloads)}.sock",
    }


def _places(made: Plan, pod: Pod, url: str) -> list[list[Any]]:
    what = f"the call of {pod.deployment} to {url}"
    return [list(place) for place in made.places(pod, resolve(made.mesh, pod, url), what)]


def passthrough(proxy: Proxy, cluster: str, request: str) -> SandboxError | None:
    """Return the refusal of a request that needed what this proxy could not be given."""
    why = proxy.rebound.refused.get(cluster)
    return None if why is None else Unsupported(f"{request}: cluster {cluster}", why)
