"""A mesh that runs: its control plane, and all that its driver's plan started."""

from __future__ import annotations

import time
from collections.abc import Mapping

from sandbox.ads.server import AdsServer
from sandbox.drivers.admin import serves
from sandbox.drivers.children import Children
from sandbox.drivers.driver import Launch, Progress
from sandbox.errors import AddressInUse, Refused, StartTimeout, Unsupported
from sandbox.plan import Plan, served
from simulator.envoy_api import Resources
from simulator.istiod.discovery import Status

_POLL_S = 0.02
XDS_SOCKET = "xds.sock"


class Mesh:
    """What one `Launch` started; `stop` ends all of it."""

    def __init__(self, plan: Plan, launch: Launch, seconds: float) -> None:
        self._plan = plan
        self._launch = launch
        self._nodes = {each.node: ref for ref, each in plan.proxies.items()}
        self._resources = {each.node: served(each) for each in plan.proxies.values()}
        self.start_control_plane()
        try:
            self.children = Children(
                plan.run_dir, launch.children, seconds, within=launch.within, after=launch.after
            )
        except BaseException:
            self.ads.__exit__()
            raise

    def wait_until_ready(self, timeout_s: float, progress: Progress) -> None:
        """Return when everything serves.

        Raises StartTimeout, Refused, AddressInUse or ProcessDied.
        """
        deadline = time.monotonic() + timeout_s
        waiting = {*self._plan.proxies}
        total = len(waiting)
        while waiting or not self._launch.ready <= self.children.ready:
            self.children.hear(_POLL_S)
            self._check_refusals()
            before = len(waiting)
            waiting = {pod for pod in waiting if not serves(self._plan.admin(pod))}
            if len(waiting) != before:
                progress(f"{total - len(waiting)} of {total} Envoys are ready")
            if time.monotonic() > deadline:
                late = sorted(waiting | (self._launch.ready - self.children.ready))
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
        """Return, by pod and kind, what each proxy was sent and what became of it."""
        return {self._nodes[node]: kinds for node, kinds in self.ads.status().items()}

    def push(self, resources: Mapping[str, Resources], timeout_s: float) -> None:
        """Send each pod's proxy what changed for it; return when all have accepted it.

        Raises Refused, AddressInUse, ProcessDied, or StartTimeout for a proxy that says nothing.
        """
        nodes = {ref: node for node, ref in self._nodes.items()}
        changed = {nodes[ref]: each for ref, each in resources.items()}
        self._resources.update(changed)
        version = self.ads.push(changed)
        deadline = time.monotonic() + timeout_s
        while late := [self._nodes[node] for node in self.ads.late(version)]:
            if time.monotonic() > deadline:
                message = f"not acknowledged after {timeout_s:g} s: {', '.join(late)}"
                raise StartTimeout(message)
            self.children.hear(_POLL_S / 10)
        self._check_refusals()

    def start_control_plane(self) -> None:
        """Serve the proxies, which come by themselves."""
        socket = self._plan.run_dir / XDS_SOCKET
        self.ads = AdsServer(self._resources, str(socket))
        self.ads.__enter__()
        socket.chmod(0o777)  # an Envoy may run as a user of its own

    def stop_control_plane(self) -> None:
        """Serve no proxy; each goes on with what it has."""
        self.ads.__exit__()

    def start_again(self, part: str) -> None:
        """Start a part that was killed. Raises Unsupported for one that is not its own process."""
        for child in self._launch.children:
            if child.name == part:
                self.children.start(child)
                return
        raise Unsupported(part, "only an Envoy that is a process of this machine starts again")

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


def start(
    plan: Plan, launch: Launch, progress: Progress, *, seconds: float, timeout_s: float
) -> Mesh:
    """Return a mesh once every Envoy and workload is ready.

    Raises SandboxError; nothing is left running then, and the logs are kept.
    """
    mesh = Mesh(plan, launch, seconds)
    try:
        mesh.wait_until_ready(timeout_s, progress)
    except BaseException:
        mesh.stop(failed=True)
        raise
    return mesh


def _reason(words: str) -> str:
    """Return a refusal without the resource that Envoy prints before it, if it does."""
    _, found, reason = words.rpartition("Proto constraint validation failed")
    return f"{found}{reason}" if found else words.strip()
