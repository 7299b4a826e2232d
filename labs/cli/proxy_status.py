"""`meshdojo proxy-status`: does each proxy hold what istiod last sent?"""

from __future__ import annotations

from typing import Annotated

import typer

from labs.cli import given
from labs.cli.options import (
    AtOption,
    Files,
    Output,
    OutputOption,
    SandboxOption,
    ScenarioOption,
    print_columns,
    print_json,
)


def proxy_status(
    proxy: Annotated[str, typer.Argument(metavar="[POD]", help="A part of a pod's name.")] = "",
    files: Files = None,
    scenario: ScenarioOption = None,
    sandbox: SandboxOption = None,
    at: AtOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Say for each proxy whether it accepted what istiod last sent it.

    SYNCED: accepted; STALE: not answered yet; ERROR: refused; NOT SENT: nothing to send.

    Example: meshdojo proxy-status --sandbox ID
    """
    from simulator.istiod.istioctl.status import table

    if sandbox is not None:
        from sandbox import detached

        known = detached.status(sandbox)
    else:
        known = given.scenario(files, scenario).at(given.moment(at) or 0).statuses
    found = {pod: known[pod] for pod in sorted(known) if proxy in pod}
    if output is Output.JSON:
        print_json({"schema": "proxy-status.v1", "proxies": found})
        return
    shown = table(found)
    print_columns(shown.columns, shown.rows)
