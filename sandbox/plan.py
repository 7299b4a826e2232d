"""All that a mesh on loopback is made of, decided before anything starts.

Pure: a scenario and a slot give, for each pod, its proxy's resources carried over
to loopback and what its workload does.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sandbox.ca import Authority, secrets
from sandbox.drivers.loopback import Loopback, carried
from sandbox.drivers.rebind import Bound, Rebound, rebind
from sandbox.drivers.witness import witnessed
from sandbox.errors import SandboxError, Unsupported
from simulator.config.scenario import Behaviour
from simulator.engine.resolve import Target, resolve
from simulator.istiod.authn.clients import identity
from simulator.istiod.registry import Mesh, Pod
from simulator.scenario import Scenario

Place = tuple[str, int]
"""A loopback address and a port."""


_IDLE = Behaviour()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """One Envoy of the mesh."""

    pod: Pod
    rebound: Rebound
    access_log: Path
    admin_socket: Path

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
    loopback: Loopback
    proxies: dict[str, Proxy]
    """By `POD.NAMESPACE`."""
    workloads: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By `POD.NAMESPACE`, what the workload's process is told."""

    def places(self, client: Pod | None, target: Target, what: str) -> tuple[Place, ...]:
        """Return where to connect for a target; one of several is drawn.

        Raises Unsupported for a connection that only interception could take.
        """
        if client is None or not client.sidecar:
            return tuple(self._place(address, port) for address, port in target.addresses)
        listeners = self.proxies[client.ref].rebound.listeners
        return tuple(
            _captured(listeners, one.address, one.port, what) for one in target.connections
        )

    def _place(self, address: str, port: int) -> Place:
        return self.loopback.entry(address) or self.loopback.nowhere, carried(port)


def plan(scenario: Scenario, run_dir: Path, slot: int) -> Plan:
    """Return the plan of a scenario's mesh.

    Raises Unsupported for a workload's call that the driver cannot carry.
    """
    mesh = scenario.mesh
    loopback = Loopback(slot, mesh.pods)
    authority = Authority(mesh.config.trust_domain)
    proxies: dict[str, Proxy] = {}
    for pod in mesh.pods:
        if not (pod.sidecar or pod.gateway):
            continue
        given = scenario.translate(pod.ref).resources
        own = replace(given, secrets=secrets(given, identity(mesh, pod), authority))
        rebound = rebind(own, pod.ref, loopback, gateway=pod.gateway)
        proxies[pod.ref] = Proxy(
            pod=pod,
            rebound=rebound,
            access_log=run_dir / "access" / f"{pod.ref}.jsonl",
            # By number: a pod's name may be longer than a socket's path can be.
            admin_socket=run_dir / f"a{len(proxies)}.sock",
        )
    made = Plan(mesh=mesh, run_dir=run_dir, loopback=loopback, proxies=proxies)
    behaviours = _behaviours(scenario)
    made.workloads.update(
        {
            pod.ref: _workload(made, pod, behaviours.get(pod.deployment, _IDLE))
            for pod in mesh.pods
            if not pod.gateway and pod.ports
        }
    )
    return made


def served(proxy: Proxy) -> Any:  # noqa: ANN401 - Resources, with messages made at run time
    """Return the resources that a proxy is sent: carried over, and telling what it does."""
    return witnessed(proxy.rebound.resources, str(proxy.access_log), gateway=proxy.pod.gateway)


def _behaviours(scenario: Scenario) -> dict[str, Behaviour]:
    return {
        name if "." in name else f"{name}.default": behaviour
        for name, behaviour in scenario.file.workloads.items()
    }


def _workload(made: Plan, pod: Pod, behaviour: Behaviour) -> dict[str, Any]:
    address = made.loopback.place(pod.ref).workload
    return {
        "pod": pod.ref,
        "version": pod.version,
        "listen": [[address, carried(port)] for port in pod.ports],
        "behaviour": behaviour.model_dump(mode="json", exclude_none=True),
        "places": [_places(made, pod, call.url) for call in behaviour.calls],
        "witness": str(made.run_dir / "witness" / f"{pod.ref}.jsonl"),
    }


def _places(made: Plan, pod: Pod, url: str) -> list[list[Any]]:
    what = f"the call of {pod.deployment} to {url}"
    return [list(place) for place in made.places(pod, resolve(made.mesh, pod, url), what)]


def _captured(listeners: tuple[Bound, ...], address: str, port: int, what: str) -> Place:
    for wanted in (address, "0.0.0.0"):
        for each in listeners:
            if each.direction == "outbound" and (each.address, each.port) == (wanted, port):
                return each.at, each.at_port
    why = f"no listener of the sidecar serves {address}:{port} but the one for passthrough"
    raise Unsupported(what, why)


def passthrough(proxy: Proxy, cluster: str, request: str) -> SandboxError | None:
    """Return the refusal of a request that needed what this proxy could not be given."""
    why = proxy.rebound.refused.get(cluster)
    return None if why is None else Unsupported(f"{request}: cluster {cluster}", why)
