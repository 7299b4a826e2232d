"""`meshdojo demo`."""

from __future__ import annotations

from shutil import get_terminal_size
from textwrap import shorten
from typing import TYPE_CHECKING

import typer

from labs.cli.fidelity import print_comparison
from labs.cli.options import FAILED, PASSED, UNDECIDED, Engine, print_rich, progress

if TYPE_CHECKING:
    from grader.lab import Lab
    from grader.verify import Proof

_LAB = "canary-release"
_NAME_WIDTH = 31
_LINE_MIN, _LINE_MAX = 100, 190


def demo() -> None:
    """Prove a lab on the simulator and on real Envoys, compare both, and explain a request.

    Its start fails, each wrong answer fails for its own reason, its solution passes; 500 real
    requests are repeated in the simulator. Takes less than two minutes.
    """
    from labs import demo as show
    from labs.catalogue import lab
    from simulator.views import journey

    found = lab(_LAB)
    codes = [_proofs(found, engine) for engine in Engine]
    _title(f"{show.REQUESTS} requests on both planes, observed choices forced in the simulator")
    compared = show.comparison(found, on_progress=progress())
    print_comparison(compared)
    codes.append(PASSED if compared.ok else FAILED)
    _title("One request, hop by hop, with the manifest line behind each decision")
    seen = show.explained(found)
    typer.echo(journey.line(seen))
    assert seen.explain is not None
    print_rich(journey.tree(seen.explain, rejected=False))
    raise typer.Exit(next((code for code in (FAILED, UNDECIDED) if code in codes), PASSED))


def _proofs(lab: Lab, engine: Engine) -> int:
    """Print what a plane proves of the lab; return the exit code that it deserves."""
    from grader.evidence import Engine as Plane
    from grader.evidence import Outcome
    from grader.report.text import MARKS
    from labs import demo as show

    where = "the simulator" if engine is Engine.SIM else "real Envoys"
    _title(f"{lab.title} on {where}: wrong answers fail for their own reasons, the solution passes")
    outcomes = set()
    for proof in show.proofs(lab, Plane(engine.value), progress()):
        outcomes.add(proof.outcome)
        typer.echo(f"  {MARKS[proof.outcome]} {proof.what:<{_NAME_WIDTH}} {_how(proof)}")
    codes = {Outcome.FAILED: FAILED, Outcome.UNDECIDED: UNDECIDED}
    return next((code for outcome, code in codes.items() if outcome in outcomes), PASSED)


def _how(proof: Proof) -> str:
    """Return, in a line, what a proof found: the first check that failed, and why."""
    if proof.reason:
        return proof.reason
    if proof.report is None:
        return ""
    failed = [each for each in proof.report.verdicts if each.outcome == "failed"]
    if not failed:
        return f"{proof.report.score} of {proof.report.score_max} points"
    width = min(max(get_terminal_size().columns, _LINE_MIN), _LINE_MAX) - _NAME_WIDTH - 9
    return shorten(f"{failed[0].check}: {failed[0].reason}", width, placeholder=" …")


def _title(text: str) -> None:
    typer.secho(f"\n{text}", bold=True)
