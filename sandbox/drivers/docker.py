"""Run a mesh in Docker: each Envoy shares the network of its workload's container.

The network is internal, the containers are read-only, bounded and without capabilities; one that
ends at once sets the rules of istio-init beforehand. xDS, admin and control go over unix sockets
in the run directory, so the engine has to be on this machine.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Iterable
from contextlib import closing
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from sandbox.drivers.addressing import Transparent
from sandbox.drivers.children import AFTER, Child
from sandbox.drivers.driver import Command, Launch, Progress
from sandbox.drivers.envoy_binary import locate
from sandbox.drivers.interception import BY_USER, PROXY_UID, rules
from sandbox.drivers.loopback import PodLike
from sandbox.drivers.process import envoy, ready
from sandbox.errors import AddressInUse, EngineMissing
from sandbox.plan import Plan
from simulator.engine.resolve import OUTSIDE
from simulator.istiod.addresses import PODS

_NETWORKS = (PODS, *(IPv4Network(f"10.{number}.0.0/16") for number in range(160, 240)))
"""Docker gives no address twice: a second mesh has its pods elsewhere."""
_OUTSIDE, _GATEWAY = 0xFF0A, 0xFFFE
"""In the network of the pods, the client beyond the mesh, and the bridge."""
_ENVOY = "/opt/envoy"
_PING_TIMEOUT_S, _BUILD_TIMEOUT_S = 10, 600
_PROGRAM = (sys.executable, "-P", "-m", "sandbox.drivers.containers")
_CODE = Path(__file__).parents[2]


class DockerDriver:
    """Transparent interception in containers with limits."""

    name = "docker"
    confines = True

    def lacking(self) -> str:
        """Return why no engine can be used; nothing if one can."""
        return _lacking()

    def addressing(self, run_dir: Path, slot: int, pods: Iterable[PodLike]) -> Transparent:  # noqa: ARG002
        """Return the mesh's own addresses, or others where a mesh already has these.

        Makes the network that holds them. Raises EngineMissing, or AddressInUse.
        """
        if lacking := self.lacking():
            raise EngineMissing(f"no Docker: {lacking}. Try: --driver process")
        (run_dir / AFTER).write_text(json.dumps(_remove(run_dir)))
        return Transparent(pods, _network(run_dir.name))

    def launch(self, plan: Plan, progress: Progress) -> Launch:
        """Return the process that starts and watches the containers; the image is built first."""
        import docker

        from sandbox.drivers.image import ensure

        with closing(docker.from_env(timeout=_BUILD_TIMEOUT_S)) as client:
            image = ensure(client, progress)
        for inner, mode in (("access", 0o777), ("admin", 0o777), (".", 0o711)):
            (plan.run_dir / inner).chmod(mode)
        spec = plan.run_dir / "boot" / "containers.json"
        spec.write_text(json.dumps(_spec(plan, image)))
        run = (*_PROGRAM, "run", str(spec))
        return Launch(
            children=(Child(name="containers", argv=run, log="logs/containers.log", tells=True),),
            ready=ready(plan),
            after=_remove(plan.run_dir),
        )


def _lacking() -> str:
    if importlib.util.find_spec("docker") is None:
        return "its SDK is not installed: pip install 'meshdojo[docker]'"
    host = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    path = host.removeprefix("unix://")
    if path != host and not Path(path).is_socket():
        return f"no engine answers: there is no socket {path}"
    import docker
    from docker.errors import DockerException

    try:
        with closing(docker.from_env(timeout=_PING_TIMEOUT_S)) as client:
            client.ping()
    except DockerException as error:
        return f"no engine answers: {error}"
    return ""


def _remove(run_dir: Path) -> Command:
    return (*_PROGRAM, "remove", run_dir.name, str(run_dir / "logs"))


def _network(sandbox: str) -> IPv4Network:
    """Return the addresses of a new network, the first that are free."""
    import docker
    from docker.errors import APIError

    from sandbox.drivers.containers import create_network

    with closing(docker.from_env()) as client:
        for network in _NETWORKS:
            try:
                create_network(client, sandbox, network, str(network[_GATEWAY]))
            except APIError as error:
                if "overlaps" not in str(error):
                    raise EngineMissing(f"Docker makes no network: {error}") from error
            else:
                return network
    message = "every network is taken. Try: meshdojo sandbox ls, then docker network prune"
    raise AddressInUse(message)


def _spec(plan: Plan, image: str) -> dict[str, Any]:
    addressing = plan.addressing
    assert isinstance(addressing, Transparent), "this driver's own"
    network = addressing.network
    addresses = {pod.ref: addressing.address(pod.ip) for pod in plan.mesh.pods}
    addresses[OUTSIDE] = str(network[_OUTSIDE])
    code = [f"{_CODE / name}:/opt/meshdojo/{name}:ro" for name in ("sandbox", "simulator")]
    return {
        "id": plan.run_dir.name,
        "image": image,
        "run_dir": str(plan.run_dir),
        "binds": [f"{plan.run_dir}:{plan.run_dir}", f"{locate()}:{_ENVOY}:ro", *code],
        "user": f"{os.getuid()}:{os.getgid()}",
        "envoy_user": f"{PROXY_UID}:{PROXY_UID}",
        "memory": "256m",
        "processes": 64,
        "nano_cpus": 1_000_000_000,
        "pods": [_pod(plan, name, addresses[name], _rules(network)) for name in plan.workloads],
    }


def _rules(network: IPv4Network) -> str:
    """Return the script that sets a pod's rules."""
    return f"""ip route replace default via {network[_GATEWAY]}
iptables-restore --noflush <<'END'
{rules(BY_USER)}
# Whoever lives beyond the mesh is told of at once, not waited for.
*filter
-A OUTPUT -d 127.0.0.0/8,{network} -j ACCEPT
-A OUTPUT -p tcp -j REJECT --reject-with tcp-reset
COMMIT
END
"""


def _pod(plan: Plan, name: str, address: str, rules_: str) -> dict[str, Any]:
    told = plan.workloads[name]
    path = f"boot/workload-{told['control'].partition('/')[2]}.json"
    (plan.run_dir / path).write_text(json.dumps([told]))
    proxy = plan.proxies.get(name)
    captured = proxy is not None and proxy.pod.sidecar
    return {
        "pod": name,
        "address": address,
        "control": told["control"],
        "workload": ["python3", "-m", "sandbox.workload", path],
        "rules": rules_ if captured else "",
        "envoy": list(envoy(proxy, (_ENVOY,)).argv) if proxy is not None else None,
    }
