"""A sandbox's directory: who owns it, since when and until when; and what dead owners left.

Below `$MESHDOJO_RUN_DIR`, else `$XDG_RUNTIME_DIR/meshdojo`, else `/tmp/meshdojo-UID`.
Paths are kept short: a unix socket's path holds about 100 characters.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from sandbox.drivers.children import AFTER
from sandbox.errors import AddressInUse, SandboxError

FAILED = "failed"
"""The file, with the reason inside, by which a directory outlives its sandbox."""
_CLAIM_PORT = 61_999
_SLOTS = range(1, 255)
_SOCKET_PATH_LIMIT = 100
_KEEP_FAILED_S = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is written down of one sandbox."""

    id: str
    owner: int
    """The process that owns it."""
    owner_start: int
    """When that process started, in clock ticks since boot: process ids are used again."""
    started: float
    deadline: float
    """Both in seconds since 1970."""
    scenario: str = ""
    detached: bool = False

    @property
    def alive(self) -> bool:
        """Say whether the owner still runs."""
        return start_of(self.owner) == self.owner_start


def root() -> Path:
    """Return the directory of all sandboxes of this user, made if need be.

    Raises SandboxError for a directory of somebody else.
    """
    given = os.environ.get("MESHDOJO_RUN_DIR")
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    fallback = Path(f"/tmp/meshdojo-{os.getuid()}")
    path = Path(given) if given else Path(runtime) / "meshdojo" if runtime else fallback
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.is_symlink() or path.stat().st_uid != os.getuid():
        message = f"{path} belongs to another user. Try: MESHDOJO_RUN_DIR=a folder of your own"
        raise SandboxError(message)
    if len(str(path)) + len("/xxxxxxxx/control/9999.sock") > _SOCKET_PATH_LIMIT:
        message = f"{path} is too long for a unix socket. Try: a shorter MESHDOJO_RUN_DIR"
        raise SandboxError(message)
    return path


def create(*, seconds: float, scenario: str = "", detached: bool = False) -> tuple[Path, Entry]:
    """Return a new run directory of this process."""
    entry = Entry(
        id=secrets.token_hex(4),
        owner=os.getpid(),
        owner_start=start_of(os.getpid()) or 0,
        started=time.time(),
        deadline=time.time() + seconds,
        scenario=scenario,
        detached=detached,
    )
    path = root() / entry.id
    path.mkdir(mode=0o700)
    for inner in ("logs", "access", "witness", "boot", "control", "admin"):
        (path / inner).mkdir()
    (path / "sandbox.json").write_text(json.dumps(asdict(entry)))
    return path, entry


def discard(path: Path) -> None:
    """Remove a run directory in which nothing runs, unless a failure's logs are kept there."""
    if _ended(path) and not (path / FAILED).exists():
        shutil.rmtree(path, ignore_errors=True)


def entries() -> tuple[tuple[Path, Entry], ...]:
    """Return the sandboxes whose owners live, oldest first."""
    found = [(path, entry) for path, entry in _read() if entry.alive]
    return tuple(sorted(found, key=lambda pair: pair[1].started))


@dataclass(frozen=True, slots=True)
class Usage:
    """What the processes of a sandbox take."""

    processes: int
    memory_bytes: int
    """What is shared with others is divided among them."""
    cpu_s: float


def usage(path: Path) -> Usage:
    """Return what all that runs in a run directory takes."""
    found = [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]
    running = [pid for pid in found if _runs_in(pid, path)]
    return Usage(len(running), sum(map(_memory, running)), sum(map(_cpu_s, running)))


def sweep() -> tuple[str, ...]:
    """End and remove what dead owners left; return the ids. Logs of failures stay for a day."""
    swept = []
    for path, entry in _read():
        failed = path / FAILED
        recent = failed.exists() and time.time() - failed.stat().st_mtime < _KEEP_FAILED_S
        if entry.alive:
            continue
        for pid in _recorded(path):
            if _runs_in(pid, path):
                os.killpg(pid, signal.SIGKILL)
        # Where its engine does not answer, a later sweep may find it back.
        if not _ended(path) or recent:
            continue
        shutil.rmtree(path, ignore_errors=True)
        swept.append(entry.id)
    return tuple(swept)


def claim() -> tuple[int, socket.socket]:
    """Return a free slot (the second byte of its addresses) and the socket that holds it.

    The kernel frees a slot with its owner, however that ends, and across users.
    Raises AddressInUse when every slot is taken.
    """
    first = os.getpid() * 7
    for offset in _SLOTS:
        slot = (first + offset) % len(_SLOTS) + 1
        held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            held.bind((f"127.{slot}.255.254", _CLAIM_PORT))
        except OSError:
            held.close()
        else:
            return slot, held
    message = "all 254 loopback blocks are taken. Try: meshdojo sandbox ls, then sandbox down"
    raise AddressInUse(message)


def start_of(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None if it does not run."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def _read() -> list[tuple[Path, Entry]]:
    found = []
    for path in root().iterdir():
        try:
            found.append((path, Entry(**json.loads((path / "sandbox.json").read_text()))))
        except (OSError, ValueError, TypeError):
            continue  # being made, being removed, or not ours
    return found


def _ended(path: Path) -> bool:
    """Run what the supervisor of a sandbox left to be run; say whether that went well."""
    try:
        command = json.loads((path / AFTER).read_text())
    except (OSError, ValueError):
        return True
    if command and subprocess.run(command, capture_output=True, check=False).returncode != 0:
        return False
    (path / AFTER).unlink(missing_ok=True)
    return True


def _recorded(path: Path) -> list[int]:
    try:
        return [int(pid) for pid in json.loads((path / "pids.json").read_text()).values()]
    except (OSError, ValueError):
        return []


def _memory(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _runs_in(pid: int, path: Path) -> bool:
    """Say whether a process is the one that the sandbox started: ids are used again."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == path
    except OSError:
        return False
