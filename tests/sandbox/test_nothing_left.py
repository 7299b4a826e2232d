"""However a sandbox ends, no process, no directory and no claim of it is left.

Each test starts a process that owns a sandbox, ends it in one way, and looks for
every process that worked in the sandbox's directory.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from sandbox import rundir
from sandbox.box import Sandbox
from sandbox.drivers.children import AFTER
from sandbox.drivers.choice import named
from sandbox.errors import AddressInUse, EngineMissing, ProcessDied, SandboxError, StartTimeout
from simulator.config.scenario import Request
from tests.sandbox.drivers.traces import Traces, traces, working_in
from tests.sandbox.meshes import bookshop
from tests.support.eventually import eventually
from tests.support.required import need

pytestmark = pytest.mark.envoy
ENVOYS = 7
PODS = 6
MOMENTS, EARLIEST_S, APART_S = 7, 0.5, 0.35
"""The first is before anything starts, the last when all is up."""


@dataclass
class Victim:
    process: subprocess.Popen[bytes]
    run_dir: Path

    @property
    def working(self) -> set[int]:
        return working_in(self.run_dir)

    def wait(self) -> int:
        return self.process.wait(10)


@pytest.fixture
def start() -> Iterator[Callable[[str], Victim]]:
    started: list[subprocess.Popen[bytes]] = []

    def start_(end: str) -> Victim:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.sandbox.victim", end],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        started.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "the victim died before its sandbox was up"
        return Victim(process, Path(line.decode().strip()))

    yield start_
    for process in started:
        process.kill()
        process.communicate()


def assert_nothing_is_left(victim: Victim) -> None:
    eventually(lambda: not victim.working, "every process is gone")
    eventually(lambda: not victim.run_dir.exists(), "the run directory is gone")


@pytest.mark.parametrize(
    ("end", "code"),
    [pytest.param("leave", 0, id="success"), pytest.param("fail", 1, id="failure")],
)
def test_after(start: Callable[[str], Victim], end: str, code: int) -> None:
    victim = start(end)

    assert victim.wait() == code
    assert not victim.working
    assert not victim.run_dir.exists()


@pytest.mark.parametrize(
    "number",
    [pytest.param(each, id=each.name) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)],
)
def test_after_the_owner_gets(start: Callable[[str], Victim], number: signal.Signals) -> None:
    victim = start("wait")
    assert len(victim.working) >= ENVOYS + PODS

    victim.process.send_signal(number)
    victim.wait()

    assert_nothing_is_left(victim)


def test_after_the_supervisor_is_killed(start: Callable[[str], Victim]) -> None:
    victim = start("wait")
    (supervisor,) = {
        int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        for pid in json.loads((victim.run_dir / "pids.json").read_text()).values()
    }

    os.kill(supervisor, signal.SIGKILL)

    eventually(lambda: not victim.working, "every process is gone")


def test_after_owner_and_supervisor_are_killed_at_once_the_next_start_sweeps(
    start: Callable[[str], Victim],
) -> None:
    victim = start("wait")
    (supervisor,) = {
        int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        for pid in json.loads((victim.run_dir / "pids.json").read_text()).values()
    }

    os.kill(supervisor, signal.SIGSTOP)  # it can no longer clean up
    victim.process.kill()
    victim.wait()
    os.kill(supervisor, signal.SIGKILL)
    eventually(lambda: not victim.working, "every process is gone")

    assert rundir.sweep() == (victim.run_dir.name,)
    assert not victim.run_dir.exists()


@pytest.mark.parametrize("driver", ["process", "netns", "docker"])
def test_whenever_the_owner_is_killed_a_sweep_leaves_nothing(driver: str, run_root: Path) -> None:
    need(driver, named(driver).lacking())
    command = [sys.executable, "-m", "tests.sandbox.victim", "wait", driver]
    for moment in range(MOMENTS):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(EARLIEST_S + moment * APART_S)
        process.kill()
        process.wait()
        run_dirs = [*run_root.iterdir()]
        rundir.sweep()

        for run_dir in run_dirs:
            eventually(partial(is_gone, run_dir), "nothing is left")
        rundir.sweep()
        assert list(run_root.iterdir()) == []


def is_gone(run_dir: Path) -> bool:
    return traces(run_dir) == Traces()


@pytest.mark.parametrize("engine", [pytest.param(True, id="there"), pytest.param(False, id="gone")])
def test_what_an_engine_holds_waits_for_it(run_root: Path, engine: bool) -> None:
    run_dir, _ = rundir.create(seconds=1.0)
    entry = json.loads((run_dir / "sandbox.json").read_text())
    (run_dir / "sandbox.json").write_text(json.dumps({**entry, "owner_start": 0}))
    (run_dir / AFTER).write_text(json.dumps(["true" if engine else "false"]))

    assert rundir.sweep() == ((run_dir.name,) if engine else ())
    assert run_dir.exists() != engine


def hear_for_long(box: Sandbox) -> None:
    for _ in range(10):
        box.running.hear(1.0)


def test_at_the_deadline() -> None:
    with Sandbox.start(bookshop(""), seconds=1.5) as box:
        with pytest.raises(SandboxError, match="deadline"):
            hear_for_long(box)

        eventually(lambda: not working_in(box.plan.run_dir), "every process is gone")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        pytest.param("envoy details-v1-0.default", "envoy details-v1-0.default", id="an-envoy"),
        pytest.param(
            "workload details-v1-0.default", "workload details-v1-0.default", id="a-workload"
        ),
        pytest.param("workloads", "workloads", id="all-workloads"),
    ],
)
def test_a_death_in_mid_run_is_told_by_name(name: str, wanted: str) -> None:
    box = Sandbox.start(bookshop(""))
    with pytest.raises(ProcessDied) as error, box:
        kill_and_hear(box, name)

    assert error.value.name == wanted
    assert "killed by signal 9" in str(error.value)
    assert not working_in(box.plan.run_dir)
    assert (box.plan.run_dir / "logs").is_dir(), "the logs of a failure are kept"


def kill_and_hear(box: Sandbox, name: str) -> None:
    os.kill(box.running.children.pids[name], signal.SIGKILL)
    hear_for_long(box)


def test_what_listens_already_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox.start(bookshop("")) as first:
        slot = int(first.plan.workloads["details-v1-0.default"]["listen"][0][0].split(".")[1])
        held = rundir.claim()[1]
        monkeypatch.setattr(rundir, "claim", lambda: (slot, held))

        with pytest.raises(AddressInUse, match=rf"127\.{slot}\.\d+\.\d+:\d+|in use"):
            Sandbox.start(bookshop(""))


def test_two_sandboxes_do_not_clash() -> None:
    request = Request.model_validate(
        {"from": "productpage-v1.default", "url": "http://details:9080/"}
    )
    with Sandbox.start(bookshop("")) as first, Sandbox.start(bookshop("")) as second:
        found = [box.probe([request])[0].status for box in (first, second)]

    assert found == [200, 200]


def test_what_is_not_ready_in_time_is_named() -> None:
    with pytest.raises(StartTimeout, match=r"not ready after 0 s: .*details-v1-0\.default"):
        Sandbox.start(bookshop(""), start_timeout_s=0.0)


def test_without_an_envoy_the_reader_is_told_what_to_try(
    monkeypatch: pytest.MonkeyPatch, run_root: Path
) -> None:
    monkeypatch.setattr("simulator.envoy_api.extract.importlib.metadata.distribution", _absent)

    with pytest.raises(EngineMissing, match=r"Try: .*--engine sim"):
        Sandbox.start(bookshop(""))
    assert list(run_root.iterdir()) == []


def _absent(name: str) -> object:
    from importlib.metadata import PackageNotFoundError

    raise PackageNotFoundError(name)
