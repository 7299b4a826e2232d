"""Run a mesh in network namespaces: every connection of a pod is handed to its proxy.

As root, Envoy runs as a user of its own, as in a cluster. Without privileges all runs in a user
namespace, which knows one user: Envoy's connections are marked instead.
"""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from sandbox.drivers.addressing import Transparent
from sandbox.drivers.driver import Command, Launch, Progress
from sandbox.drivers.envoy_binary import locate
from sandbox.drivers.interception import BY_MARK, BY_USER, PROXY_UID, marked
from sandbox.drivers.loopback import PodLike
from sandbox.drivers.network import OUTSIDE_ADDRESS, Host, script
from sandbox.drivers.process import envoy, ready, workloads
from sandbox.errors import EngineMissing
from sandbox.plan import Plan
from simulator.engine.resolve import OUTSIDE

_SCRIPT = "boot/network.sh"
_BINARY = "boot/envoy"
_NEEDED = ("unshare", "nsenter", "setpriv", "ip", "iptables-restore", "iptables-save")
_AS_USER = ("--user", "--map-root-user")


class NetnsDriver:
    """Transparent interception, with the rules that istio-init sets."""

    name = "netns"
    confines = False

    def lacking(self) -> str:
        """Return what this machine lacks for namespaces of its own."""
        return _lacking()

    def addressing(self, run_dir: Path, slot: int, pods: Iterable[PodLike]) -> Transparent:  # noqa: ARG002
        """Return the mesh's own addresses."""
        return Transparent(pods)

    def launch(self, plan: Plan, progress: Progress) -> Launch:  # noqa: ARG002
        """Return the processes, each in the namespace of its pod."""
        binary = str(locate())
        if lacking := self.lacking():
            raise EngineMissing(f"no network namespaces: {lacking}. Try: --driver process")
        root = os.geteuid() == 0
        hosts = {name: f"ns/{number}" for number, name in enumerate(plan.workloads)}
        for name, told in plan.workloads.items():
            told["network"] = hosts[name]
        text = script(_hosts(plan, hosts), BY_USER if root else BY_MARK, _binary(binary, root=root))
        (plan.run_dir / _SCRIPT).write_text(text)
        if root:
            _open_to_envoy(plan)
        more = {} if root else marked()
        return Launch(
            children=(
                workloads(plan),
                *(
                    envoy(each, (*_enter(hosts[ref], root=root), f"./{_BINARY}"), more)
                    for ref, each in plan.proxies.items()
                ),
            ),
            ready=ready(plan),
            within=(*_unshare(root=root), "sh", _SCRIPT),
            # What is mounted on cannot be removed.
            after=("sh", "-c", f"umount --lazy ns/* {_BINARY} 2>&- || true"),
        )


@functools.cache
def _lacking() -> str:
    absent = [each for each in _NEEDED if shutil.which(each) is None]
    if absent:
        return f"there is no {', '.join(absent)}"
    tried = subprocess.run(
        [*_unshare(root=os.geteuid() == 0), "iptables-save", "-t", "nat"],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if tried.returncode == 0 else f"this kernel or user may not: {tried.stderr.strip()}"


def _unshare(*, root: bool) -> Command:
    return ("unshare", "--net", "--mount", *(() if root else _AS_USER), "--propagation", "private")


def _enter(namespace: str, *, root: bool) -> Command:
    enter = ("nsenter", f"--net={namespace}")
    if not root:
        return enter
    ids = (f"--reuid={PROXY_UID}", f"--regid={PROXY_UID}", "--clear-groups", "--no-new-privs")
    # Changing its user, a process would outlive its supervisor, unless it asks again.
    return (*enter, "setpriv", *ids, "--pdeathsig", "KILL")


def _hosts(plan: Plan, namespaces: dict[str, str]) -> Iterable[Host]:
    for pod in plan.mesh.pods:
        yield Host(namespace=namespaces[pod.ref], address=pod.ip, captured=pod.sidecar)
    yield Host(namespace=namespaces[OUTSIDE], address=OUTSIDE_ADDRESS, captured=False)


def _binary(path: str, *, root: bool) -> list[str]:
    """Return the commands that put the Envoy where its user can run it."""
    if not root:
        return [f"ln -s {shlex.quote(path)} {_BINARY}"]
    return [f"touch {_BINARY}", f"mount --bind {shlex.quote(path)} {_BINARY}"]


def _open_to_envoy(plan: Plan) -> None:
    """Let Envoy's own user through: it reads its bootstrap, writes its logs and sockets."""
    for inner, mode in ((".", 0o711), ("boot", 0o755), ("access", 0o777), ("admin", 0o777)):
        (plan.run_dir / inner).chmod(mode)
