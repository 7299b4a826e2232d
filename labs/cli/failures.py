"""Every error that a user can cause or meet, as one message and an exit code.

Errors are known by name, so that a command which did not need a package does not
import it here either.
"""

from __future__ import annotations

import typer

from labs.cli.options import FAILED, UNDECIDED, USAGE, print_diagnostics

CODES = {
    "labs.cli.options.UsageError": USAGE,
    "labs.catalogue.UnknownLabError": USAGE,
    "labs.work.WorkError": USAGE,
    "labs.bench.measure.UnknownBenchmarkError": USAGE,
    "labs.server.serve.PortBusyError": UNDECIDED,
    "grader.lab.LabError": USAGE,
    "simulator.istiod.registry.UnknownProxyError": USAGE,
    "simulator.scenario.ScenarioError": FAILED,
    "simulator.engine.standalone.CircleError": FAILED,
    "simulator.envoy.route_check.BadTestsError": USAGE,
    "simulator.envoy.rejected.Rejected": FAILED,
    "simulator.envoy_api.read.SchemaError": FAILED,
    "simulator.envoy_api.extract.NoEnvoyError": UNDECIDED,
    "sandbox.detached.CommandError": USAGE,
    "sandbox.errors.UnknownSandbox": USAGE,
    "sandbox.errors.SandboxError": UNDECIDED,
}
"""By the class of the error; the nearest ancestor decides."""


def report(error: Exception) -> int | None:
    """Say what an error means and return the exit code; None for a bug of ours."""
    for kind in type(error).__mro__:
        code = CODES.get(f"{kind.__module__}.{kind.__qualname__}")
        if code is not None:
            diagnostics = getattr(error, "diagnostics", ())
            print_diagnostics(diagnostics)
            if not diagnostics:
                typer.echo(f"Error: {error}", err=True)
            return code
    return None
