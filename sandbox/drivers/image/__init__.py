"""The image of a mesh's containers, built where it is missing.

Its base comes from a registry where there is one; else it is made by debootstrap (as root) and
imported under the same name.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import docker
from docker.errors import BuildError, DockerException, ImageNotFound

from sandbox.errors import EngineMissing

BASE = "debian:bookworm-slim"
_SUITE = "bookworm"
_MIRROR = "http://deb.debian.org/debian"
_PYTHON = "3.11"
"""That of the base."""
_DOCKERFILE = Path(__file__).with_name("Dockerfile")
_NEEDED = ("aiohttp", "h2", "pydantic")
"""What a workload imports; what these need comes with them."""


def ensure(client: docker.DockerClient, progress: Callable[[str], None]) -> str:
    """Return the name of the image, built first if it is not there.

    Raises EngineMissing when it cannot be built.
    """
    pins = [f"{name}=={importlib.metadata.version(name)}" for name in _NEEDED]
    digest = hashlib.sha256((_DOCKERFILE.read_text() + " ".join(pins)).encode()).hexdigest()
    name = f"meshdojo-sandbox:{digest[:12]}"
    try:
        client.images.get(name)
    except ImageNotFound:
        with tempfile.TemporaryDirectory(prefix="meshdojo-image-") as folder:
            _base(client, Path(folder) / "base", progress)
            progress("building the sandbox's image")
            _build(client, name, Path(folder) / "context", pins)
    return name


def _base(client: docker.DockerClient, folder: Path, progress: Callable[[str], None]) -> None:
    try:
        client.images.get(BASE)
    except ImageNotFound:
        progress(f"fetching {BASE}")
        try:
            client.images.pull(BASE)
        except DockerException as error:
            progress(f"making {BASE} with debootstrap, which takes a minute")
            _bootstrap(client, folder, str(error))


def _bootstrap(client: docker.DockerClient, folder: Path, why: str) -> None:
    if shutil.which("debootstrap") is None:
        message = (
            f"there is no image {BASE}: {why}. Try: docker pull {BASE}, or install debootstrap"
        )
        raise EngineMissing(message)
    _run("debootstrap", "--variant=minbase", _SUITE, str(folder), _MIRROR)
    tar = folder.with_suffix(".tar")
    _run("tar", "--create", f"--file={tar}", f"--directory={folder}", ".")
    repository, _, tag = BASE.partition(":")
    client.api.import_image(str(tar), repository=repository, tag=tag)


def _build(client: docker.DockerClient, name: str, context: Path, pins: list[str]) -> None:
    packages = context / "packages"
    packages.mkdir(parents=True)
    shutil.copy(_DOCKERFILE, context)
    only = ("--only-binary=:all:", f"--python-version={_PYTHON}", "--implementation=cp")
    quiet = ("--quiet", "--disable-pip-version-check")
    _run(sys.executable, "-m", "pip", "install", *quiet, *only, f"--target={packages}", *pins)
    try:
        client.images.build(path=str(context), tag=name, network_mode="host", rm=True)
    except (BuildError, DockerException) as error:
        message = f"the sandbox's image cannot be built: {error}. Try: --driver process"
        raise EngineMissing(message) from error


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        message = f"the sandbox's image cannot be built: {command[0]}: {done.stderr[-2000:]}"
        raise EngineMissing(message)
