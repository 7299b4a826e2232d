"""`meshdojo serve`."""

from __future__ import annotations

from typing import Annotated

import typer


def serve(
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="0 takes any that is free.")
    ] = 8765,
    browser: Annotated[bool, typer.Option("--open", help="Open a browser, too.")] = False,
) -> None:
    """Serve the browser lab and the instructor's page on this machine alone, until Ctrl-C."""
    from labs.server.serve import serve as run
    from labs.server.settings import PAGE

    if not (PAGE / "index.html").is_file():
        typer.echo("The page is not built yet. Try: python -m labs.server.build_page", err=True)
    run(port, open_browser=browser, ready=_say)


def _say(address: str) -> None:
    typer.echo(f"Meshdojo is at {address} (Ctrl-C ends it)")
