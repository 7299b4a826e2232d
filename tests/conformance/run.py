"""Run third-party cases and say how many pass: `python -m tests.conformance.run [CASES]`.

Prints one line a family, `FAMILY passed P failed F excepted E unusable U`, then a
total; writes the details to `build/conformance.json`. Exit code 1 on any failure, 2
where the folder is absent.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.conformance.table import Case, Table, entries, keys, tables, unusable

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = ROOT.parent / "shared" / "conformance"
DETAILS = ROOT / "build" / "conformance.json"
_EXCEPTED_SHARE = 0.01


@dataclass(slots=True)
class Tally:
    """What came of one family."""

    family: str
    passed: int = 0
    unusable: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    """Why, by case."""
    exceptions: dict[str, str] = field(default_factory=dict)
    """The entry of docs/fidelity.yaml, by case."""

    def __str__(self) -> str:
        """Return the family's line."""
        return (
            f"{self.family} passed {self.passed} failed {len(self.failures)} "
            f"excepted {len(self.exceptions)} unusable {self.unusable}"
        )


def adapter_of(family: str) -> Any | None:
    """Return the module that runs a family, the most specific one first."""
    parts = [re.sub(r"\W+", "_", part) for part in family.split("/")]
    for end in range(len(parts), 0, -1):
        name = f"tests.conformance.adapters.{'_'.join(parts[:end])}"
        if importlib.util.find_spec(name) is not None:
            return importlib.import_module(name)
    return None


def exceptions(path: Path = ROOT / "docs" / "fidelity.yaml") -> Mapping[str, frozenset[str]]:
    """Return the fields of every known difference, by its id."""
    known = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {entry["id"]: frozenset(entry["fields"]) for entry in known}


def run_table(table: Table, known: Mapping[str, frozenset[str]]) -> Tally:
    """Run one family; a case that could not be run counts as failed."""
    tally = Tally(table.family)
    adapter = adapter_of(table.family)
    if adapter is None:
        for at, entry in enumerate(entries(table.data)):
            if unusable(entry):
                tally.unusable += 1
            else:
                tally.failures[f"#{at}"] = "no adapter runs this family"
        return tally
    failed: list[tuple[Case, str]] = []
    for case in adapter.cases(table):
        if unusable(case.data):
            tally.unusable += 1
            continue
        reason = _outcome(case)
        if reason is None:
            tally.passed += 1
        else:
            failed.append((case, reason))
    allowed = int(_EXCEPTED_SHARE * (tally.passed + len(failed)))
    for case, reason in failed:
        entry_id = _excepted(case, known) if len(tally.exceptions) < allowed else None
        if entry_id is None:
            tally.failures[case.id] = reason
        else:
            tally.exceptions[case.id] = entry_id
    return tally


def _outcome(case: Case) -> str | None:
    try:
        return case.check()
    except Exception as error:  # one broken case must not hide the others
        return f"{type(error).__name__}: {error}"


def _excepted(case: Case, known: Mapping[str, frozenset[str]]) -> str | None:
    held = keys(case.data)
    return next((entry for entry, fields in known.items() if fields & held), None)


def write(tallies: Iterable[Tally], path: Path = DETAILS) -> None:
    """Write the details of a run."""
    path.parent.mkdir(exist_ok=True)
    details = {
        tally.family: {
            "passed": tally.passed,
            "unusable": tally.unusable,
            "failed": tally.failures,
            "excepted": tally.exceptions,
        }
        for tally in tallies
    }
    path.write_text(json.dumps(details, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def total(tallies: Sequence[Tally]) -> Tally:
    """Return the sum of all families."""
    whole = Tally("total")
    for tally in tallies:
        whole.passed += tally.passed
        whole.unusable += tally.unusable
        whole.failures |= {f"{tally.family}:{key}": why for key, why in tally.failures.items()}
        whole.exceptions |= {f"{tally.family}:{key}": why for key, why in tally.exceptions.items()}
    return whole


def main(arguments: Sequence[str]) -> int:
    """Run all families below the given folder; return the exit code."""
    root = Path(arguments[0]) if arguments and arguments[0] else DEFAULT
    if not root.is_dir():
        sys.stderr.write(f"there are no cases in {root}\n")
        return 2
    known = exceptions()
    tallies = []
    for table in tables(root):
        tally = run_table(table, known)
        tallies.append(tally)
        sys.stdout.write(f"{tally}\n")
        sys.stdout.flush()
    whole = total(tallies)
    write(tallies)
    sys.stdout.write(f"{whole}\n")
    return 1 if whole.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
