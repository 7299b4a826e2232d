"""Files that are made from others, and what each must hold: `python -m tests.support.generated`.

`tests/tree/test_generated.py` fails when one of them is not what would be made today.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from grader import schema as grader_schemas
from simulator.config import schemas as simulator_schemas
from simulator.diagnostics import wordings

ROOT = Path(__file__).resolve().parents[2]
FIDELITY = ROOT / "docs" / "fidelity.yaml"

_FIDELITY_HEAD = """\
# Where the simulator differs from a real mesh

The real Envoy decides: where the two differ, the simulator is wrong. What is listed here is known.
Everything else is compared by tests on the same configuration, byte for byte.

A field that is accepted without effect is named: `meshdojo analyze`, `probe` and `simulate` do so
in a `not-simulated` finding, and the page of the lab shows it where it stands. Where that is not so
yet, the entry below says so.

This page is made from `fidelity.yaml` by `make docs`.
"""
_DIAGNOSTICS_HEAD = """\
# Findings

Everything that Meshdojo has to say of a configuration, by code. Codes of the form `IST0101` are
Istio's own and mean what they mean to `istioctl analyze`; the others are ours. Words in braces are
filled in.

This page is made from `simulator/diagnostics.toml` by `make docs`.
"""


def files() -> dict[Path, str]:
    """Return every generated file's text."""
    made = {
        ROOT / "docs" / "fidelity.md": fidelity_page(),
        ROOT / "docs" / "diagnostics.md": diagnostics_page(),
    }
    for folder, texts in (
        (simulator_schemas.FOLDER, simulator_schemas.texts()),
        (grader_schemas.FOLDER, grader_schemas.schemas()),
    ):
        made |= {folder / name: text for name, text in texts.items()}
    return made


def differences() -> list[dict[str, Any]]:
    """Return the entries of `docs/fidelity.yaml`."""
    found: list[dict[str, Any]] = yaml.safe_load(FIDELITY.read_text(encoding="utf-8"))
    return found


def fidelity_page() -> str:
    """Return the page of known differences."""
    parts = [_FIDELITY_HEAD]
    for entry in sorted(differences(), key=lambda each: str(each["id"])):
        fields = ", ".join(f"`{field}`" for field in entry["fields"])
        parts.append(
            f'<a id="{entry["id"]}"></a>\n\n## {entry["title"]}\n\n{entry["reason"]}\n\n'
            f"- Fields: {fields}\n- Source: {entry['source']}\n"
        )
    return "\n".join(parts)


def diagnostics_page() -> str:
    """Return the page of all findings."""
    parts = [_DIAGNOSTICS_HEAD]
    for code, wording in sorted(wordings().items()):
        hint = f"\n\nTry: {wording.hint}" if wording.hint else ""
        parts.append(f"## {code}\n\n*{wording.level}.* {wording.message}{hint}\n")
    return "\n".join(parts)


def write() -> None:
    """Write the files."""
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
