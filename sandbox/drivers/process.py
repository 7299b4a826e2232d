"""Run a mesh as plain processes of this user, each on loopback addresses of its own."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from sandbox.ads.server import AdsServer
from sandbox.drivers.admin import serves
from sandbox.drivers.bootstrap import bootstrap
from sandbox.drivers.children import Child, Children
from sandbox.drivers.driver import Progress
from sandbox.drivers.envoy_binary import locate
from sandbox.errors import AddressInUse, Refused, StartTimeout
from sandbox.plan import Plan, served
from simulator.istiod.discovery import Status

_POLL_S = 0.02


class ProcessDriver:
    """The default driver: no privileges, no interception."""

    def __init__(self, *, start_timeout_s: float = 30.0, seconds: float = 3600.0) -> None:
        self._start_timeout_s = start_timeout_s
        self._seconds = seconds

    def start(self, plan: Plan, progress: Progress) -> ProcessMesh:
        """Return the mesh of `plan` once every Envoy and workload is ready.

        Raises SandboxError; nothing is left running then, and the logs are kept.
        """
        binary = locate()
        mesh = ProcessMesh(plan, binary, self._seconds)
        try:
            mesh.wait_until_ready(self._start_timeout_s, progress)
        except BaseException:
            mesh.stop(failed=True)
            raise
        return mesh


class ProcessMesh:
    """A mesh of processes that runs."""

    def __init__(self, plan: Plan, binary: Path, seconds: float) -> None:
        self._plan = plan
        self._nodes = {each.node: ref for ref, each in plan.proxies.items()}
        self.ads = AdsServer(
            {each.node: served(each) for each in plan.proxies.values()},
            str(plan.run_dir / "xds.sock"),
        )
        self.ads.__enter__()
        try:
            self.children = Children(plan.run_dir, [*_children(plan, binary)], seconds)
        except BaseException:
            self.ads.__exit__()
            raise

    def wait_until_ready(self, timeout_s: float, progress: Progress) -> None:
        """Return when everything serves.

        Raises StartTimeout, Refused, AddressInUse or ProcessDied.
        """
        deadline = time.monotonic() + timeout_s
        wanted = {f"workload {pod}" for pod in self._plan.workloads}
        waiting = {*self._plan.proxies}
        total = len(waiting)
        while waiting or not wanted <= self.children.ready:
            self.children.hear(_POLL_S)
            self._check_refusals()
            before = len(waiting)
            waiting = {pod for pod in waiting if not serves(self._plan.proxies[pod].admin_socket)}
            if len(waiting) != before:
                progress(f"{total - len(waiting)} of {total} Envoys are ready")
            if time.monotonic() > deadline:
                late = sorted(waiting | (wanted - self.children.ready))
                message = (
                    f"not ready after {timeout_s:g} s: {', '.join(late)}; "
                    f"logs are in {self._plan.run_dir}/logs"
                )
                raise StartTimeout(message)
        self._check_refusals()

    def hear(self, wait_s: float) -> None:
        """Wait so long, less if something happens.

        Raises ProcessDied if an Envoy or a workload ended on its own.
        """
        self.children.hear(wait_s)

    def status(self) -> dict[str, dict[str, Status]]:
        """Return, by node and kind, what each proxy was sent and what became of it."""
        return self.ads.status()

    def stop(self, *, failed: bool) -> None:
        """End everything; keep the logs if something failed."""
        try:
            self.children.stop(keep_logs=failed)
        finally:
            self.ads.__exit__()

    def _check_refusals(self) -> None:
        for node, kinds in self.ads.refusals().items():
            for kind, words in kinds.items():
                message = f"the Envoy of {self._nodes[node]} refuses its {kind}: {_reason(words)}"
                if "Address already in use" in words:
                    raise AddressInUse(f"{message}. Try: meshdojo sandbox ls")
                raise Refused(message)


def _children(plan: Plan, binary: Path) -> Iterable[Child]:
    if plan.workloads:
        spec = plan.run_dir / "boot" / "workloads.json"
        spec.write_text(json.dumps([*plan.workloads.values()]))
        argv = (sys.executable, "-P", "-m", "sandbox.workload", str(spec))
        yield Child(name="workloads", argv=argv, log="logs/workloads.log", tells=True)
    for pod, proxy in plan.proxies.items():
        boot = plan.run_dir / "boot" / f"{pod}.json"
        # Sockets are named from the run directory, where Envoy runs: their paths must be short.
        told = bootstrap(proxy.node, proxy.pod.deployment, "xds.sock", proxy.admin_socket.name)
        boot.write_text(json.dumps(told))
        yield Child(name=f"envoy {pod}", argv=_argv(binary, boot), log=f"logs/{pod}.log")


def _argv(binary: Path, boot: Path) -> tuple[str, ...]:
    options = "--concurrency 1 --disable-hot-restart --drain-time-s 1 --file-flush-interval-msec 50"
    return (str(binary), "-c", str(boot), *options.split(), "-l", "warn")


def _reason(words: str) -> str:
    """Return a refusal without the resource that Envoy prints before it, if it does."""
    _, found, reason = words.rpartition("Proto constraint validation failed")
    return f"{found}{reason}" if found else words.strip()
