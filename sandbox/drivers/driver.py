"""What every driver does: the one Protocol, and the one of a mesh that runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sandbox.plan import Plan
from simulator.istiod.discovery import Status

Progress = Callable[[str], None]
"""Told, in a short phrase, what is being done."""


class Running(Protocol):
    """A mesh that runs."""

    def hear(self, wait_s: float) -> None:
        """Wait so long, less if something happens.

        Raises ProcessDied if an Envoy or a workload ended on its own.
        """

    def status(self) -> dict[str, dict[str, Status]]:
        """Return, by node and kind, what each proxy was sent and what became of it."""

    def stop(self, *, failed: bool) -> None:
        """End everything; keep the logs if something failed."""


class Driver(Protocol):
    """Starts meshes of real Envoys."""

    def start(self, plan: Plan, progress: Progress) -> Running:
        """Return the mesh of `plan` once it is ready. Raises SandboxError; nothing is left then."""
