"""Close an Envoy in: no network but its own, no files but its own, and bounds on the rest.

bubblewrap makes the walls; memory, processes, open files and what is written have limits that
the kernel keeps. Root gives up being root first, since limits do not hold it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterable

from sandbox.drivers.driver import Command
from sandbox.drivers.envoy_binary import locate
from sandbox.errors import EngineMissing

OUT = "/out"
"""The one folder that is shared with the outside, seen from the inside."""
_HALL = "/mnt"
"""Hidden by a folder that only the jail's own mount namespace has: all that it needs."""
_NOBODY = 65534
_MEBIBYTE = 1024 * 1024
_NEEDED = ("bwrap", "unshare", "setpriv", "prlimit", "ip")
_LIMITS = (
    f"--data={512 * _MEBIBYTE}",
    f"--fsize={16 * _MEBIBYTE}",
    "--nproc=128",
    "--nofile=1024",
    "--core=0",
)
_WALLS = (
    *("--unshare-user", "--disable-userns", "--unshare-pid", "--unshare-ipc", "--unshare-uts"),
    *("--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"),
    *("--ro-bind", "/usr/lib", "/usr/lib", "--ro-bind-try", "/usr/lib64", "/usr/lib64"),
    *("--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"),
    *("--proc", "/proc", "--dev", "/dev"),
    *("--size", str(16 * _MEBIBYTE), "--tmpfs", "/tmp", "--chdir", "/tmp"),
)


def lacking() -> str:
    """Return what this machine lacks for a jail; nothing if it has all."""
    absent = [each for each in _NEEDED if shutil.which(each) is None]
    if absent:
        return f"there is no {', '.join(absent)}"
    walls = (*_entered(), "sh", "-ec", f'mount -t tmpfs jail {_HALL}; exec "$@"', "sh", *_humble())
    tried = subprocess.run(
        [*walls, "bwrap", *_WALLS, "--ro-bind", "/usr", "/usr", "/usr/bin/true"],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if tried.returncode == 0 else f"this kernel or user may not: {tried.stderr.strip()}"


def require() -> None:
    """Raise EngineMissing where there is no jail."""
    if lack := lacking():
        hint = "Try: apt-get install bubblewrap, or --engine sim"
        raise EngineMissing(f"what you wrote is code, and there is no jail for it: {lack}. {hint}")


def within(script: Iterable[str]) -> Command:
    """Return the command that becomes its arguments, in namespaces that a script furnished."""
    lines = [
        "set -e",
        f"mount -t tmpfs -o mode=0755 jail {_HALL}",
        f"touch {_HALL}/envoy",
        f"mount --bind {shlex.quote(str(locate()))} {_HALL}/envoy",
        "ip link set lo up",
        *script,
        'exec "$@"',
    ]
    return (*_entered(), "sh", "-c", "\n".join(lines), "sh")


def shared(folder: str) -> str:
    """Return the line of a script that lets the jail see a folder, and write there."""
    return f"mkdir {_HALL}/out; mount --bind {shlex.quote(folder)} {_HALL}/out"


def confined(*arguments: str, hosts: str = "/dev/null", seconds: int = 0) -> Command:
    """Return an Envoy's command with walls around it, to be run `within`.

    `hosts` is what it sees as /etc/hosts; `seconds` bounds its processor time.
    """
    limits = (*_LIMITS, *((f"--cpu={seconds}",) if seconds else ()))
    files = ("--ro-bind", f"{_HALL}/envoy", "/envoy", "--ro-bind-try", hosts, "/etc/hosts")
    out = ("--bind-try", f"{_HALL}/out", OUT)
    return (*_humble(), "prlimit", *limits, "bwrap", *_WALLS, *files, *out, "/envoy", *arguments)


def _entered() -> Command:
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    return ("unshare", "--net", "--mount", *user, "--propagation", "private")


def _humble() -> Command:
    if os.geteuid() != 0:
        return ()
    ids = (f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", "--no-new-privs")
    return ("setpriv", *ids, "--pdeathsig", "KILL")
