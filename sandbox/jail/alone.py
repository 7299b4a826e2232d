"""A real Envoy with a hand-written bootstrap, in its jail, and workloads where its clusters lead.

The counterpart of `simulator.engine.standalone`: every address of an endpoint belongs to the jail,
and a workload there answers 200.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sandbox import rundir
from sandbox.box import Sandbox
from sandbox.ca import Authority
from sandbox.drivers import mesh
from sandbox.drivers.addressing import Place
from sandbox.drivers.children import Child
from sandbox.drivers.driver import Launch, Progress
from sandbox.drivers.process import ENVOY_OPTIONS, ready, workloads
from sandbox.drivers.rebind import Bound, Rebound
from sandbox.drivers.witness import witnessed
from sandbox.jail.confine import OUT, confined, shared, within
from sandbox.jail.validate import admit
from sandbox.plan import Plan, Proxy, outsider, workload
from simulator.config.scenario import Behaviour, Request
from simulator.engine.resolve import OUTSIDE
from simulator.engine.standalone import Standalone
from simulator.envoy_api import Resources, parse
from simulator.envoy_api import format as format_message
from simulator.istiod.validation.syntax import is_address
from simulator.observe.observation import Observation

_SECONDS = 600.0
_ANY = ("0.0.0.0", "::", "")


class Inside:
    """Addresses of the jail: an Envoy's listeners, and names that its clusters look up."""

    def __init__(self, alone: Standalone) -> None:
        self._envoy = alone.mesh.pods[0].ref
        self._at = {one.port: one.address for one in alone.config.listeners.values()}
        names = [pod.ip for pod in alone.mesh.pods[1:] if not is_address(pod.ip)]
        self.names = {name: f"198.18.0.{number}" for number, name in enumerate(names, start=1)}
        """The address of each name, from a block for such tests."""
        self._meant = {address: name for name, address in self.names.items()}

    def carry(self, resources: Resources, pod: Any) -> Rebound:  # noqa: ANN401, ARG002
        """Return the resources."""
        return Rebound(resources=resources, listeners=(), refused={})

    def captured(self, listeners: Sequence[Bound], address: str, port: int, what: str) -> Place:  # noqa: ARG002
        """Return the address: nobody here has a proxy of its own."""
        return address, port

    def direct(self, address: str, port: int) -> Place:  # noqa: ARG002
        """Return where the listener of a port is."""
        at = self._at.get(port, "")
        return ("127.0.0.1" if at in _ANY else at), port

    def listens(self, pod: str, port: int) -> Place:
        """Return where a workload answers."""
        host = pod.rpartition(".")[0]
        return self.names.get(host, host), port

    def owner(self, address: str) -> str | None:
        """Return the Envoy for the port of a listener of its own."""
        host, _, port = address.rpartition(":")
        own = host.startswith("127.") and port.isdigit() and int(port) in self._at
        return self._envoy if own else None

    def mesh_address(self, address: str) -> str:
        """Return `ip:port` with the name that was looked up."""
        host, _, port = address.rpartition(":")
        return f"{self._meant.get(host, host)}:{port}"


def probe(
    bootstrap: Mapping[str, Any], requests: Sequence[Request], on_progress: Progress | None = None
) -> tuple[Observation, ...]:
    """Return one observation for each request sent to the Envoy of a bootstrap in JSON form.

    Raises SchemaError or Rejected for one that Envoy would refuse, and SandboxError.
    """
    alone = Standalone.of(bootstrap)
    via = alone.mesh.pods[0].ref
    with opened(alone, bootstrap, on_progress) as box:
        return box.probe([each.model_copy(update={"via": via}) for each in requests])


@contextmanager
def opened(
    alone: Standalone, bootstrap: Mapping[str, Any], on_progress: Progress | None = None
) -> Iterator[Sandbox]:
    """Yield the Envoy's sandbox once it serves. Raises SandboxError."""
    message = parse(bootstrap, "envoy.config.bootstrap.v3.Bootstrap")
    admit(message)
    rundir.sweep()
    run_dir, entry = rundir.create(seconds=_SECONDS, scenario="a bootstrap")
    try:
        slot, claim = rundir.claim()
    except BaseException:
        rundir.discard(run_dir)
        raise
    del slot  # nothing of a jail is on this machine's loopback
    inside = Inside(alone)
    envoy, *others = alone.mesh.pods
    proxy = Proxy(
        pod=envoy,
        rebound=Rebound(resources=Resources(), listeners=(), refused={}),
        admin_socket="jail/admin.sock",
    )
    plan = Plan(
        mesh=alone.mesh,
        run_dir=run_dir,
        addressing=inside,
        authority=Authority("standalone"),
        proxies={envoy.ref: proxy},
    )
    own = {one.port for one in alone.config.listeners.values()}
    for pod in others:
        ports = tuple(p for p in dict.fromkeys(pod.ports) if not (_own(pod.ip) and p in own))
        plan.workloads[pod.ref] = workload(plan, replace(pod, ports=ports), Behaviour())
    plan.workloads[OUTSIDE] = outsider(plan)
    try:
        running = mesh.start(
            plan,
            _launch(plan, message, inside),
            on_progress or (lambda _: None),
            seconds=_SECONDS,
            timeout_s=30.0,
        )
    except BaseException:
        claim.close()
        rundir.discard(run_dir)
        raise
    with Sandbox(entry, plan, running, claim, confined=True) as box:
        yield box


def _launch(plan: Plan, bootstrap: Any, inside: Inside) -> Launch:  # noqa: ANN401
    (proxy,) = plan.proxies.values()
    folder = plan.run_dir / "jail"
    folder.mkdir()
    folder.chmod(0o777)
    log = plan.run_dir / "access" / f"{proxy.pod.ref}.jsonl"
    told = folder / "access.jsonl"
    log.symlink_to(told)
    hosts = folder / "hosts"
    hosts.write_text("".join(f"{at} {name}\n" for name, at in inside.names.items()))
    config = json.dumps(format_message(_prepared(bootstrap)))
    command = confined("--config-yaml", config, *ENVOY_OPTIONS, hosts=f"/mnt/out/{hosts.name}")
    addresses = {host for each in plan.workloads.values() for host, _ in each["listen"]}
    lines = [
        *(f"ip addr add {each}/32 dev lo" for each in sorted(addresses) if not _own(each)),
        "echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start",
        shared(str(folder)),
    ]
    name = proxy.pod.ref
    return Launch(
        children=(
            workloads(plan),
            Child(name=f"envoy {name}", argv=command, log=f"logs/{name}.log"),
        ),
        ready=ready(plan),
        within=within(lines),
    )


def _prepared(bootstrap: Any) -> Any:  # noqa: ANN401
    """Return the bootstrap with an admin interface that only we reach, and our access log."""
    own = type(bootstrap)()
    own.CopyFrom(bootstrap)
    own.ClearField("admin")
    own.admin.address.pipe.path = f"{OUT}/admin.sock"
    own.admin.address.pipe.mode = 0o666
    given = Resources(listeners=tuple(bootstrap.static_resources.listeners))
    told = witnessed(given, f"{OUT}/access.jsonl", gateway=True).listeners
    del own.static_resources.listeners[:]
    own.static_resources.listeners.extend(told)
    return own


def _own(address: str) -> bool:
    return address.startswith("127.") or address in _ANY
