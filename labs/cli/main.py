"""Put the command groups together; turn every error into one message and an exit code.

0 passed, 1 failed, 2 usage, 3 undecided (ours: engine missing, time-out), 4 a bug of ours.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import Annotated

import typer

from labs.cli import (
    analyze,
    authz,
    bench,
    demo,
    describe,
    envoy,
    fidelity,
    grade,
    lab,
    notebook,
    probe,
    proxy_config,
    proxy_status,
    sandbox,
    serve,
    simulate,
    xds,
)
from labs.cli.failures import report

app = typer.Typer(
    name="meshdojo",
    help="See what a service mesh does: translate, simulate, run, compare and grade.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in (
    analyze.analyze,
    xds.xds,
    proxy_status.proxy_status,
    probe.probe,
    simulate.simulate,
    fidelity.fidelity,
    serve.serve,
    notebook.notebook,
    bench.bench,
    demo.demo,
):
    app.command()(_command)
app.command("grade", context_settings=grade.FORWARDED, add_help_option=False)(grade.grade)
app.add_typer(proxy_config.app, name="proxy-config")
app.add_typer(proxy_config.app, name="pc", hidden=True)
app.add_typer(authz.app, name="authz")
app.add_typer(describe.app, name="describe")
app.add_typer(lab.app, name="lab")
app.add_typer(sandbox.app, name="sandbox")
app.add_typer(envoy.app, name="envoy")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"meshdojo {version('meshdojo')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version


def run(application: Callable[..., object]) -> int:
    """Run a Typer application; return the exit code that its outcome deserves."""
    try:
        application(standalone_mode=True)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(bool(stop.code))
    except KeyboardInterrupt:
        typer.echo("Stopped.", err=True)
        return 130
    except Exception as error:
        code = report(error)
        if code is None:
            traceback.print_exc()
            typer.echo("This is a bug in Meshdojo, not in your configuration.", err=True)
            return 4
        return code
    return 0


def main() -> None:
    """Run `meshdojo`; the console script."""
    sys.exit(run(app))
