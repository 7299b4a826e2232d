"""What every driver decides: where things are, and what has to run.

A driver only plans; `mesh.Mesh` carries its plan out, the same way for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sandbox.drivers.addressing import Addressing
from sandbox.drivers.children import Child
from sandbox.drivers.loopback import PodLike
from sandbox.plan import Plan

Progress = Callable[[str], None]
"""Told, in a short phrase, what is being done."""

Command = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """All that runs for one plan, under one supervisor."""

    children: tuple[Child, ...]
    ready: frozenset[str]
    """The names that have to say that they are."""
    within: Command = ()
    """The command that starts the supervisor, such as one that enters namespaces of its own."""
    after: Command = ()
    """What the supervisor runs when all has ended, however that came."""


class Driver(Protocol):
    """A way to run meshes of real Envoys."""

    @property
    def name(self) -> str:
        """Return the word for `--driver`."""

    @property
    def confines(self) -> bool:
        """Say whether its Envoys may run code that a learner wrote."""

    def lacking(self) -> str:
        """Return what this machine lacks for it; nothing if it has all."""

    def addressing(self, run_dir: Path, slot: int, pods: Iterable[PodLike]) -> Addressing:
        """Return where the parts of a mesh will be. Raises SandboxError."""

    def launch(self, plan: Plan, progress: Progress) -> Launch:
        """Return what has to run. Raises EngineMissing where something is lacking."""
