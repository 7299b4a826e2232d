"""`meshdojo sandbox`: a real mesh to poke at."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from labs.cli import given
from labs.cli.options import (
    DriverOption,
    Files,
    Output,
    OutputOption,
    ScenarioOption,
    UsageError,
    new_table,
    print_json,
    print_rich,
    progress,
)

app = typer.Typer(help="A real mesh of Envoys on this machine, to poke at.", no_args_is_help=True)

_MINUTE_S = 60
_MEBIBYTE = 1024 * 1024


@app.command()
def up(
    files: Files = None,
    scenario: ScenarioOption = None,
    driver: DriverOption = "process",
    output: OutputOption = Output.TEXT,
) -> None:
    """Start a mesh that stays up for an hour, or until `sandbox down`; print its id.

    Example: meshdojo sandbox up -f app.yaml
    """
    from sandbox import detached

    text = given.stdin(files)
    # What is wrong with the manifests is told here, with its places, before anything starts.
    given.scenario(files, scenario, text)
    entry = detached.up(
        files or [],
        stdin_text=text,
        scenario=str(scenario) if scenario else None,
        driver=driver,
        on_progress=progress(),
    )
    if output is Output.JSON:
        print_json({"schema": "sandbox.v1", **_document(entry)})
        return
    typer.echo(entry.id)
    typer.echo(f"Try: meshdojo sandbox exec {entry.id} POD.NS -- curl http://HOST:PORT/", err=True)


@app.command()
def ls(output: OutputOption = Output.TEXT) -> None:
    """List the meshes that are up, with the memory and the processor time that they take."""
    from sandbox import detached

    found = detached.ls()
    if output is Output.JSON:
        rows = [{**_document(each), "usage": detached.usage(each)} for each in found]
        print_json({"schema": "sandboxes.v1", "sandboxes": rows})
        return
    if not found:
        typer.echo("No sandbox is up.", err=True)
        return
    numbers = ("minutes left", "processes", "MiB", "CPU s")
    table = new_table("id", "of", *numbers, "owner", right=numbers)
    for each in found:
        left = max(0, round((each.deadline - time.time()) / _MINUTE_S))
        used = detached.usage(each)
        memory, cpu = f"{used.memory_bytes / _MEBIBYTE:.0f}", f"{used.cpu_s:.1f}"
        figures = (str(left), str(used.processes), memory, cpu)
        table.add_row(each.id, each.scenario, *figures, str(each.owner))
    print_rich(table)


@app.command("exec")
def exec_(
    sandbox: Annotated[str, typer.Argument(metavar="ID", help="As `sandbox ls` shows it.")],
    workload: Annotated[str, typer.Argument(metavar="WORKLOAD", help="POD.NS, or `outside`.")],
    command: Annotated[list[str], typer.Argument(metavar="-- curl … URL")],
    output: OutputOption = Output.TEXT,
) -> None:
    """Send a request from a workload, as `curl` there would.

    Understood are -X, -H and -d. `-o json` (before the --) prints the whole observation.

    Example: meshdojo sandbox exec ID sleep.default -- curl -H end-user:jason http://reviews:9080/
    """
    from sandbox import detached

    (seen,) = detached.send(sandbox, [detached.curl(command, workload)])
    if output is Output.JSON:
        print_json(seen)
        return
    if seen.get("status") is None:
        typer.echo(f"no response: {seen.get('error', '')}")
        return
    typer.echo(f"HTTP {seen['status']} in {seen['duration_ns'] / 1e6:.2f} ms")
    for name, value in seen.get("response_headers", {}).items():
        typer.echo(f"{name}: {value}")
    typer.echo(f"\n{seen.get('body', '')}")


@app.command()
def fault(
    sandbox: Annotated[str, typer.Argument(metavar="ID", help="As `sandbox ls` shows it.")],
    kind: Annotated[str, typer.Argument(metavar="KIND")],
    of: Annotated[list[str] | None, typer.Argument(metavar="[OF]…")] = None,
) -> None:
    """Disturb a mesh from outside.

    kill, start, pause and resume take `envoy POD.NS` or `workload POD.NS`; cut and mend the POD.NS
    whose proxy loses the control plane; partition two pods; lose a pod and a share of packets;
    slow a pod and milliseconds; heal nothing, as stop-control-plane and start-control-plane.

    Example: meshdojo sandbox fault ID pause "envoy details-v1-0.default"
    """
    from sandbox import detached

    detached.fault(sandbox, kind, of or [])


@app.command()
def down(
    sandbox: Annotated[str | None, typer.Argument(metavar="[ID]")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that are up.")] = False,
) -> None:
    """Stop a mesh; nothing of it is left."""
    from sandbox import detached

    if (sandbox is None) != every:
        raise UsageError("give just one: an ID, or --all. Try: meshdojo sandbox ls")
    for each in [sandbox] if sandbox else [entry.id for entry in detached.ls()]:
        detached.down(each)
        typer.echo(f"{each} is down")


def _document(entry: object) -> dict[str, object]:
    names = ("id", "scenario", "owner", "started", "deadline")
    return {name: getattr(entry, name) for name in names}
