"""Disturb a mesh that runs, from outside: its processes, its network, its control plane."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from inspect import signature

from sandbox.drivers.addressing import Transparent
from sandbox.drivers.mesh import Mesh
from sandbox.errors import SandboxError, Unsupported
from sandbox.plan import Plan

_CHAIN = "MESHDOJO"
_NO_NETEM = "this kernel delays no packets: it has no sch_netem"


class Faults:
    """The faults of one mesh. Each raises SandboxError where it cannot be had."""

    def __init__(self, plan: Plan, running: Mesh) -> None:
        self._plan = plan
        self._running = running
        self._disturbed: dict[str, None] = {}
        """The pods whose network has the chain of our rules."""
        self.kinds: dict[str, Callable[..., None]] = {
            "kill": self.kill,
            "start": self.start,
            "pause": self.pause,
            "resume": self.resume,
            "cut": self.cut,
            "mend": self.mend,
            "partition": self.partition,
            "lose": self.lose,
            "slow": self.slow,
            "heal": self.heal,
            "stop-control-plane": running.stop_control_plane,
            "start-control-plane": running.start_control_plane,
        }
        """By the words of `meshdojo sandbox fault`."""

    def cause(self, kind: str, of: Sequence[str]) -> None:
        """Cause a fault by its word. Raises Unsupported for one that there is not."""
        if kind not in self.kinds:
            raise Unsupported(f"fault {kind}", f"there is {', '.join(self.kinds)}")
        cause = self.kinds[kind]
        try:
            signature(cause).bind(*of)
        except TypeError as error:
            wanted = " ".join(signature(cause).parameters).upper()
            raise Unsupported(f"fault {kind}", f"it takes {wanted or 'nothing'}") from error
        cause(*of)

    def kill(self, part: str) -> None:
        """Kill the process of a part, `envoy POD.NS` or `workload POD.NS`; the mesh goes on."""
        process = self._process(part)
        self._running.children.expected.add(part)
        self._signal(process, signal.SIGKILL)

    def start(self, part: str) -> None:
        """Start a killed Envoy again; it asks for its configuration anew."""
        self._running.start_again(part)

    def pause(self, part: str) -> None:
        """Let a part do nothing; its connections stay open."""
        self._signal(self._process(part), signal.SIGSTOP)

    def resume(self, part: str) -> None:
        """Let a paused part go on."""
        self._signal(self._process(part), signal.SIGCONT)

    def cut(self, pod: str) -> None:
        """Keep the proxy of a pod from the control plane."""
        self._running.ads.cut(self._node(pod))

    def mend(self, pod: str) -> None:
        """Let the proxy of a pod reach the control plane again."""
        self._running.ads.mend(self._node(pod))

    def partition(self, one: str, other: str) -> None:
        """Drop every packet between two pods."""
        address = self._address(other)
        for flag in ("-s", "-d"):
            self._inside(one, "iptables", "-A", _CHAIN, flag, address, "-j", "DROP")

    def lose(self, pod: str, share: str) -> None:
        """Lose a share (0 to 1) of the packets that reach a pod from others."""
        chance = ("-m", "statistic", "--mode", "random", "--probability", f"{float(share):g}")
        self._inside(pod, "iptables", "-A", _CHAIN, "-i", "eth0", *chance, "-j", "DROP")

    def slow(self, pod: str, milliseconds: str) -> None:
        """Delay every packet that a pod sends to others. Raises Unsupported without sch_netem."""
        try:
            delay = ("netem", "delay", f"{float(milliseconds):g}ms")
            self._inside(pod, "tc", "qdisc", "replace", "dev", "eth0", "root", *delay)
        except SandboxError as error:
            if "qdisc kind is unknown" in str(error):
                raise Unsupported(f"a slow network of {pod}", _NO_NETEM) from error
            raise

    def heal(self) -> None:
        """Take every disturbance of the network back."""
        for pod in self._disturbed:
            self._inside(pod, "iptables", "-F", _CHAIN)
            self._inside(pod, "sh", "-c", "tc qdisc del dev eth0 root 2>&- || true")

    def _process(self, part: str) -> int:
        found = self._running.children.pids.get(part)
        if found is None:
            names = ", ".join(name for name in self._running.children.pids if " " in name)
            raise Unsupported(part, f"there is {names}")
        return found

    def _signal(self, process: int, number: signal.Signals) -> None:
        try:
            os.kill(process, number)
        except OSError as error:
            raise SandboxError(f"process {process} cannot be reached: {error}") from error

    def _node(self, pod: str) -> str:
        ref = self._plan.mesh.pod(pod).ref
        if ref not in self._plan.proxies:
            raise Unsupported(ref, "it has no proxy")
        return self._plan.proxies[ref].node

    def _address(self, pod: str) -> str:
        return self._plan.addressing.direct(self._plan.mesh.pod(pod).ip, 0)[0]

    def _inside(self, pod: str, *command: str) -> None:
        """Run a command in the network of a pod."""
        ref = self._plan.mesh.pod(pod).ref
        if not isinstance(self._plan.addressing, Transparent):
            why = "its pods share the network of this machine: --driver netns or docker"
            raise Unsupported(f"a fault in the network of {ref}", why)
        process = self._process(f"workload {ref}")
        if ref not in self._disturbed:
            self._disturbed[ref] = None
            self._enter(process, "iptables", "-N", _CHAIN)
            for chain in ("INPUT", "OUTPUT"):
                self._enter(process, "iptables", "-I", chain, "-j", _CHAIN)
        self._enter(process, *command)

    def _enter(self, process: int, *command: str) -> None:
        if shutil.which(command[0]) is None:
            raise SandboxError(f"there is no {command[0]} on this machine")
        user = () if os.geteuid() == 0 else ("--user", "--preserve-credentials")
        done = subprocess.run(
            ["nsenter", f"--target={process}", *user, "--net", *command],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SandboxError(f"{' '.join(command)}: {done.stderr.strip()}")
