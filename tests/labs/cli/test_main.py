from __future__ import annotations

import importlib

import pytest

from labs.cli.failures import CODES, report
from labs.cli.main import run
from tests.labs.cli.conftest import Command, ended, spawn

COMMANDS = (
    *("analyze", "authz", "bench", "demo", "envoy", "fidelity", "grade", "lab"),
    *("notebook", "probe", "proxy-config", "proxy-status", "sandbox", "serve", "simulate", "xds"),
)
HEAVY = ("fastapi", "grpc", "matplotlib", "networkx", "numpy", "pydantic", "scipy", "google")


@pytest.mark.parametrize("name", CODES)
def test_every_error_that_has_a_code_is_an_error_of_that_name(name: str) -> None:
    module, _, kind = name.rpartition(".")

    assert issubclass(getattr(importlib.import_module(module), kind), Exception)


def test_an_error_without_a_code_is_a_bug(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(**_: object) -> None:
        raise ZeroDivisionError

    assert report(ZeroDivisionError()) is None
    assert run(broken) == 4
    assert "This is a bug in Meshdojo" in capsys.readouterr().err


def test_help_needs_nothing_heavy() -> None:
    program = (
        "import sys, labs.cli.main\n"
        f"print([name for name in {HEAVY} if name in sys.modules], end='')"
    )
    assert ended(spawn(program=program)).out == "[]"


def test_without_a_command_all_commands_are_listed(meshdojo: Command) -> None:
    shown = meshdojo("--help").out

    for name in COMMANDS:
        assert f" {name} " in shown


def test_the_version_is_said(meshdojo: Command) -> None:
    assert meshdojo("--version").out.startswith("meshdojo 0.")


def test_an_unknown_command_is_usage(meshdojo: Command) -> None:
    assert meshdojo("prob").code == 2


def test_the_graders_own_commands_are_mounted(meshdojo: Command) -> None:
    assert "verify" in meshdojo("grade", "--help").out
    assert "workspace" in meshdojo("grade", "run", "--help").out
    assert meshdojo("grade", "verify", "nowhere").code == 2
