"""Run the containers of one mesh: started, watched, removed.

`python -m sandbox.drivers.containers run SPEC.json` starts them, tells as JSON lines what becomes
of them, and goes on until it is killed. `… remove ID FOLDER` removes all that there is of a
sandbox, and keeps the containers' logs in the folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.types import IPAMConfig, IPAMPool

LABEL = "meshdojo.sandbox"
NAME = "meshdojo.name"
_AT_ONCE = 8
_POLL_S = 0.02
_LOG_LINES = 200
_KILLED = 128
"""Above it, an exit code tells a signal."""

Spec = dict[str, Any]


def create_network(
    client: docker.DockerClient, sandbox: str, network: IPv4Network, gateway: str
) -> None:
    """Make the internal network of a sandbox. Raises docker.errors.APIError."""
    pool = IPAMPool(subnet=str(network), gateway=gateway)
    ipam = IPAMConfig(pool_configs=[pool])
    client.networks.create(_name(sandbox), internal=True, ipam=ipam, labels={LABEL: sandbox})


def _name(sandbox: str) -> str:
    return f"meshdojo-{sandbox}"


class Containers:
    """The containers of one spec."""

    def __init__(self, client: docker.DockerClient, spec: Spec) -> None:
        self._api = client.api
        self._spec = spec
        self._network = _name(spec["id"])

    def start(self, pod: dict[str, Any]) -> None:
        """Start one pod: its workload, the rules of its network, and its Envoy."""
        address = self._api.create_endpoint_config(ipv4_address=pod["address"])
        workload = self._started(
            pod["workload"],
            name=f"workload {pod['pod']}",
            user=self._spec["user"],
            networking_config=self._api.create_networking_config({self._network: address}),
            # A gateway listens on ports 80 and 443 without being root, as in a cluster.
            host={
                "network_mode": self._network,
                "sysctls": {"net.ipv4.ip_unprivileged_port_start": "0"},
            },
        )
        shared = {"network_mode": f"container:{workload}"}
        if pod["rules"]:
            may = {**shared, "cap_add": ["NET_ADMIN", "NET_RAW"]}
            init = self._started(["sh", "-ec", pod["rules"]], user="0:0", host=may)
            if self._api.wait(init)["StatusCode"] != 0:
                said = self._api.logs(init).decode()
                message = f"the rules of {pod['pod']} cannot be set: {said}"
                raise RuntimeError(message)
        if pod["envoy"]:
            user = self._spec["envoy_user"]
            self._started(pod["envoy"], name=f"envoy {pod['pod']}", user=user, host=shared)

    def _started(
        self,
        command: list[str],
        *,
        name: str = "",
        host: dict[str, Any],
        **more: object,
    ) -> str:
        spec = self._spec
        made = self._api.create_container(
            spec["image"],
            command,
            working_dir=spec["run_dir"],
            labels={LABEL: spec["id"], **({NAME: name} if name else {})},
            host_config=self._api.create_host_config(
                binds=spec["binds"],
                read_only=True,
                cap_drop=["ALL"],
                security_opt=["no-new-privileges"],
                mem_limit=spec["memory"],
                pids_limit=spec["processes"],
                nano_cpus=spec["nano_cpus"],
                tmpfs={"/tmp": "size=16m", "/run": "size=1m"},
                **host,
            ),
            **more,
        )
        self._api.start(made["Id"])
        if name:
            process = self._api.inspect_container(made["Id"])["State"]["Pid"]
            _tell(event="started", name=name, pid=process)
        return str(made["Id"])


def run(spec: Spec) -> None:
    """Start the containers of a spec and tell of each that is ready, and of each that ends."""
    client = docker.from_env(timeout=30)
    ends = {"label": f"{LABEL}={spec['id']}", "event": "die"}
    events = client.events(decode=True, filters=ends)
    containers = Containers(client, spec)
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        list(threads.map(containers.start, spec["pods"]))
    waiting = [*spec["pods"]]
    while waiting:
        for pod in [each for each in waiting if Path(each["control"]).exists()]:
            _tell(event="ready", name=f"workload {pod['pod']}")
            waiting.remove(pod)
        time.sleep(_POLL_S)
    for event in events:
        attributes = event["Actor"]["Attributes"]
        if NAME in attributes:
            log = _keep_log(client, event["id"], attributes[NAME], Path("logs"))
            code = int(attributes["exitCode"])
            code = _KILLED - code if code > _KILLED else code
            _tell(event="exited", name=attributes[NAME], code=code, log=str(log))


def remove(sandbox: str, logs: Path) -> None:
    """Remove every container and network of a sandbox."""
    client = docker.from_env(timeout=30)
    label = {"label": f"{LABEL}={sandbox}"}

    def end(container: Any) -> None:  # noqa: ANN401 - the SDK has no types
        name = container.attrs["Labels"].get(NAME)
        with contextlib.suppress(NotFound, APIError):  # it goes by itself
            if name and logs.is_dir():
                _keep_log(client, container.id, name, logs)
            container.remove(force=True)

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        list(threads.map(end, client.containers.list(all=True, filters=label, sparse=True)))
    for network in client.networks.list(filters=label):
        with contextlib.suppress(NotFound):
            network.remove()


def _keep_log(client: docker.DockerClient, container: str, name: str, folder: Path) -> Path:
    path = folder / f"{name.replace(' ', '-')}.log"
    path.write_bytes(client.api.logs(container, tail=_LOG_LINES))
    return path


def _tell(**event: object) -> None:
    os.write(1, (json.dumps(event) + "\n").encode())


def main(do: str, *of: str) -> int:
    """Do what is asked; return the exit code."""
    try:
        if do == "run":
            run(json.loads(Path(of[0]).read_text()))
        else:
            remove(of[0], Path(of[1]))
    except (DockerException, OSError) as error:
        os.write(2, f"Docker does not do it, or is gone: {error}\n".encode())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
