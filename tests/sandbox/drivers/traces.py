"""What a sandbox leaves on a machine: processes, files, mounts, containers and networks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker

from sandbox.drivers.containers import LABEL
from sandbox.drivers.docker import DockerDriver


@dataclass(frozen=True)
class Traces:
    """All that is there of one sandbox."""

    processes: frozenset[int] = frozenset()
    files: bool = False
    mounts: frozenset[str] = frozenset()
    engine: frozenset[str] = frozenset()
    """Of Docker: containers and networks."""

    @property
    def supervisor(self) -> int:
        """The process that owns the others."""
        (found,) = {pid for pid in self.processes if b"supervisor.py" in _command(pid)}
        return found


def traces(run_dir: Path) -> Traces:
    """Return what is there of the sandbox of a run directory."""
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    return Traces(
        processes=frozenset(working_in(run_dir)),
        files=run_dir.exists(),
        mounts=frozenset(each for each in mounts if str(run_dir) in each),
        engine=frozenset() if DockerDriver().lacking() else frozenset(_engine(run_dir.name)),
    )


def _engine(sandbox: str) -> Iterator[str]:
    client = docker.from_env()
    label = {"label": f"{LABEL}={sandbox}"}
    yield from (each.id for each in client.containers.list(all=True, filters=label, sparse=True))
    yield from (each.id for each in client.networks.list(filters=label))
    client.close()


def working_in(run_dir: Path) -> set[int]:
    """Every process whose working directory is the sandbox's."""
    found = set()
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            at = str((process / "cwd").readlink())
            zombie = (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            continue
        if at.removesuffix(" (deleted)") == str(run_dir) and not zombie:
            found.add(int(process.name))
    return found


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
