"""`meshdojo xds`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from labs.cli import given
from labs.cli.options import (
    AtOption,
    Files,
    Output,
    OutputOption,
    ScenarioOption,
    new_table,
    print_diagnostics,
    print_json,
    print_rich,
)

if TYPE_CHECKING:
    from rich.table import Table

    from simulator.istiod.listing import Listing


class Kind(StrEnum):
    """The kinds of resources, as xDS and `istioctl proxy-config` name them."""

    LISTENERS = "listeners"
    ROUTES = "routes"
    CLUSTERS = "clusters"
    ENDPOINTS = "endpoints"
    SECRETS = "secrets"
    ALL = "all"


def xds(
    proxy: Annotated[
        str, typer.Option("--proxy", metavar="POD.NS|deploy/NAME.NS", help="Whose configuration.")
    ],
    files: Files = None,
    scenario: ScenarioOption = None,
    at: AtOption = None,
    kind: Annotated[Kind, typer.Option("--type", help="Which resources.")] = Kind.ALL,
    output: OutputOption = Output.JSON,
) -> None:
    """Print what istiod would send to a proxy.

    JSON as Envoy writes it: a list of resources for one type, a list for each type for `all`.
    `-o text` shows a table for each, with the file and line that a resource comes from.

    Example: meshdojo xds -f app.yaml --proxy deploy/productpage-v1.default --type routes -o text
    """
    translation = given.translation(proxy, files, scenario, at)
    print_diagnostics(translation.diagnostics)
    kinds = [each.value for each in Kind if each is not Kind.ALL] if kind is Kind.ALL else [kind]
    if output is Output.TEXT:
        from simulator.istiod.listing import listing

        print_rich(*(_table(each, listing(translation, each)) for each in kinds))
        return
    from simulator.envoy_api import format as as_json
    from simulator.envoy_api import redacted

    resources = translation.resources.by_kind()
    found = {str(each): [as_json(redacted(one)) for one in resources[each]] for each in kinds}
    print_json(found if kind is Kind.ALL else found[kind])


def _table(kind: str, found: Listing) -> Table:
    table = new_table(*found.columns, title=f"\n{kind}")
    for row in found.rows:
        table.add_row(*row)
    return table
