"""What a sandbox leaves on a machine: processes, namespaces, files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Traces:
    """All that is there of one sandbox."""

    processes: frozenset[int] = frozenset()
    files: bool = False
    mounts: frozenset[str] = frozenset()

    @property
    def supervisor(self) -> int:
        """The one process that is the parent of others and nobody's child."""
        parents = {_parent(pid) for pid in self.processes}
        (found,) = {pid for pid in parents & self.processes if _parent(pid) not in self.processes}
        return found


def traces(run_dir: Path) -> Traces:
    """Return what is there of the sandbox of a run directory."""
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    return Traces(
        processes=frozenset(working_in(run_dir)),
        files=run_dir.exists(),
        mounts=frozenset(each for each in mounts if str(run_dir) in each),
    )


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


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
