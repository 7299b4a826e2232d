"""Run a mesh as plain processes of this user, each on loopback addresses of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sandbox.drivers.addressing import Explicit
from sandbox.drivers.bootstrap import boot
from sandbox.drivers.children import Child
from sandbox.drivers.driver import Command, Launch, Progress
from sandbox.drivers.envoy_binary import locate
from sandbox.drivers.loopback import PodLike
from sandbox.plan import Plan, Proxy

ENVOY_OPTIONS = (
    *("--concurrency", "1", "--disable-hot-restart", "--drain-time-s", "1"),
    *("--file-flush-interval-msec", "50", "-l", "warn"),
)


class ProcessDriver:
    """The default driver: no privileges, no interception."""

    name = "process"
    confines = False

    def lacking(self) -> str:
        """Return nothing: `launch` tells whether there is an Envoy."""
        return ""

    def addressing(self, run_dir: Path, slot: int, pods: Iterable[PodLike]) -> Explicit:  # noqa: ARG002
        """Return loopback addresses from the sandbox's own block."""
        return Explicit(slot, pods)

    def launch(self, plan: Plan, progress: Progress) -> Launch:  # noqa: ARG002
        """Return a process for each Envoy, and one that forks the workloads."""
        binary = locate()
        return Launch(
            children=(
                workloads(plan),
                *(envoy(each, (str(binary),)) for each in plan.proxies.values()),
            ),
            ready=ready(plan),
        )


def workloads(plan: Plan) -> Child:
    """Return the process that forks one for each pod."""
    spec = plan.run_dir / "boot" / "workloads.json"
    spec.write_text(json.dumps([*plan.workloads.values()]))
    argv = (sys.executable, "-P", "-m", "sandbox.workload", str(spec))
    return Child(name="workloads", argv=argv, log="logs/workloads.log", tells=True)


def ready(plan: Plan) -> frozenset[str]:
    """Return the names under which the workloads say that they are ready."""
    return frozenset(f"workload {name}" for name in plan.workloads)


def envoy(proxy: Proxy, command: Command, more: Mapping[str, Any] | None = None) -> Child:
    """Return the process of one proxy: the `command` that is an Envoy, with its options.

    `more` is added to its bootstrap.
    """
    # As a text: as a user of its own, Envoy could not follow the path to a file.
    config = json.dumps({**boot(proxy), **(more or {})})
    argv = (*command, "--config-yaml", config, *ENVOY_OPTIONS)
    return Child(name=f"envoy {proxy.pod.ref}", argv=argv, log=f"logs/{proxy.pod.ref}.log")
