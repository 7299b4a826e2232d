"""What the README and the guides tell people to type is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from labs.cli.main import app
from tests.tree.tracked import ROOT, name, tracked

PAGES = [path for path in tracked("*.md") if not name(path).startswith("tests/")]
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
_COMMANDS = typer.main.get_command(app)
_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)")


def code(path: Path) -> str:
    """Return what stands in code: blocks and spans."""
    text = path.read_text(encoding="utf-8")
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.S))


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_targets_of_make_exist(path: Path) -> None:
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", code(path), re.M))

    assert named - TARGETS == set()


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_commands_exist(path: Path) -> None:
    named = set(re.findall(r"\bmeshdojo ([a-z][a-z-]*)", code(path)))
    known = set(getattr(_COMMANDS, "commands", {}))

    assert named - known == set()


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_links_lead_somewhere(path: Path) -> None:
    links = _LINK.findall(path.read_text(encoding="utf-8"))

    assert [link for link in links if not (path.parent / link).exists()] == []


def test_each_decision_has_its_parts() -> None:
    for path in tracked("docs/decisions/*.md"):
        text = path.read_text(encoding="utf-8")
        assert re.findall(r"^## (.+)$", text, re.M) == [
            "Context", "Decision", "Consequences", "Rejected",
        ], name(path)  # fmt: skip
