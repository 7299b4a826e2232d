"""What a command was given, read: manifests, a scenario, requests, a folder to write to."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from labs.cli.options import UsageError, print_diagnostics
from simulator.diagnostics import Diagnostic, diagnose

if TYPE_CHECKING:
    from sandbox.held import Held
    from simulator.config.objects import Manifests
    from simulator.config.scenario import Request
    from simulator.istiod.generate import Translation
    from simulator.istiod.registry import Pod
    from simulator.scenario import Scenario


def manifests(files: list[str] | None, stdin_text: str | None = None) -> Manifests:
    """Return the objects of `-f` files, folders and standard input (unless read already).

    Raises UsageError where nothing is given, a file is missing or no object is found.
    """
    from simulator.config.load import load

    if not files:
        message = "no manifests given. Try: -f FILE, -f FOLDER, or -f - for standard input"
        raise UsageError(message)
    _exist(files)
    found = load(files, stdin_text if stdin_text is not None else stdin(files))
    if not found.objects and not found.diagnostics:
        raise UsageError(f"there is no Kubernetes object in {', '.join(files)}. Try: another path")
    return found


def scenario(files: list[str] | None, path: Path | None, stdin_text: str | None = None) -> Scenario:
    """Return the mesh of a scenario file, of manifests, or of both.

    Raises UsageError for what is not there, ScenarioError for what has errors.
    """
    from simulator.scenario import Scenario

    if path is None:
        return Scenario.of(manifests(files, stdin_text))
    _exist([str(path), *(files or ())])
    text = stdin_text if stdin_text is not None else stdin(files)
    return Scenario.load(str(path), files or (), text)


def proxy(reference: str, namespace: str) -> str:
    """Return a proxy as POD.NS or deploy/NAME.NS; one without its namespace is in `namespace`."""
    return reference if "." in reference else f"{reference}.{namespace}"


def moment(text: str | None, option: str = "--at") -> int | None:
    """Return a time in ns from text such as `90s`; None if none is given. Raises UsageError."""
    if text is None:
        return None
    from simulator.config.record import nanoseconds

    try:
        return nanoseconds(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error


def translation(
    proxy: str, files: list[str] | None, path: Path | None, at: str | None = None
) -> Translation:
    """Return what istiod sends to a proxy, POD.NS or deploy/NAME.NS, at a time of the scenario.

    Raises UsageError for a pod without a proxy, and what `scenario` raises.
    """
    mesh = scenario(files, path)
    at_ns = moment(at) or 0
    _proxied(mesh.at(at_ns).mesh.pod(proxy))
    return mesh.translate(proxy, at_ns)


def _proxied(pod: Pod) -> None:
    if not pod.proxied:
        hint = "label its namespace istio-injection=enabled"
        raise UsageError(f"{pod.ref} has no proxy: nothing is sent to it. Try: {hint}")


def held(
    proxy: str,
    files: list[str] | None,
    path: Path | None,
    sandbox: str | None,
    at: str | None = None,
) -> Held:
    """Return what a proxy holds: in a running sandbox, or at a time of a scenario.

    Raises what `translation` and `sandbox.detached.config` raise.
    """
    if sandbox is not None and at is not None:
        raise UsageError("a sandbox is seen as it is now. Try: --at with --scenario")
    if sandbox is not None:
        from sandbox import detached

        return detached.config(sandbox, proxy)
    from sandbox.held import Held

    mesh = scenario(files, path)
    plane = mesh.at(moment(at) or 0)
    pod = plane.cluster.pod(proxy)
    _proxied(pod)
    if at is None:
        print_diagnostics(mesh.translate(proxy).diagnostics)
    return Held(resources=plane.resources(pod), ejected=frozenset())


def stdin(files: list[str] | None) -> str | None:
    """Return what standard input holds, if it is among the files."""
    return sys.stdin.read() if "-" in (files or ()) else None


def requests(path: Path) -> tuple[Request, ...]:
    """Return the requests of a file. Raises UsageError, with the places of what is wrong."""
    from simulator.config.requests import read_requests

    found, diagnostics = read_requests(str(path), text(path))
    if not found:
        raise UsageError(f"{path} is no request file", diagnostics)
    print_diagnostics(diagnostics)
    return found


def text(path: Path) -> str:
    """Return a file's text. Raises UsageError for one that is missing, or cannot be read."""
    from simulator.config.yaml import decode

    _exist([str(path)])
    try:
        read, diagnostics = decode(str(path), path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    if read is None:
        raise UsageError(f"{path} cannot be read", diagnostics)
    return read


def folder(path: Path) -> Path:
    """Return a folder to write to, made if need be. Raises UsageError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{path} cannot be a folder: {error.strerror}") from error
    return path


def tell(diagnostics: Sequence[Diagnostic]) -> None:
    """Say on standard error what is doubtful, and name what is not simulated."""
    ours = [each for each in diagnostics if each.code == "not-simulated" and not each.position]
    print_diagnostics(each for each in diagnostics if each not in ours)
    # A mesh has hundreds of listeners, each with the same fields: they are named once.
    names = dict.fromkeys(_FRAME.sub("", _INDEX.sub("", each.field)) for each in ours)
    if names:
        typer.echo(f"Not simulated (see docs/fidelity.md): {', '.join(names)}", err=True)


_INDEX = re.compile(r"\[\d+\]")
_FRAME = re.compile(r"^filter_chains\.filters\.typed_config\.")


def _exist(files: list[str]) -> None:
    missing = [each for each in files if each != "-" and not Path(each).exists()]
    if missing:
        found = tuple(diagnose("missing-file", path=each) for each in missing)
        raise UsageError(f"there is no {', '.join(missing)}", found)
