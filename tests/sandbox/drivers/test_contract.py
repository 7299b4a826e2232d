"""What every driver does, whatever it needs: up, probed, changed, killed, and nothing left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labs.catalogue import labs
from labs.demo import solved
from sandbox import rundir
from sandbox.box import Sandbox
from sandbox.drivers.choice import DRIVERS, named
from sandbox.errors import ProcessDied, Refused, Unsupported
from sandbox.fidelity.run import both_planes
from sandbox.probe import probe
from simulator.config.scenario import Request
from simulator.istiod.discovery import Sync
from simulator.observe.observation import Observation
from tests.sandbox.drivers.traces import Traces, traces
from tests.sandbox.meshes import bookshop
from tests.support.eventually import eventually
from tests.support.required import need

pytestmark = [pytest.mark.envoy, pytest.mark.xdist_group("drivers")]

MOVED = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: details}
spec:
  hosts: [details]
  http:
  - name: moved
    rewrite: {uri: /moved}
    route: [{destination: {host: details}}]
"""

REFUSED = """
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: broken}
spec:
  configPatches:
  - applyTo: CLUSTER
    match: {context: SIDECAR_OUTBOUND}
    patch: {operation: MERGE, value: {connect_timeout: 0s}}
"""

SCRIPT = """
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: script}
spec:
  workloadSelector: {labels: {app: productpage}}
  configPatches:
  - applyTo: HTTP_FILTER
    match:
      context: SIDECAR_OUTBOUND
      listener:
        filterChain: {filter: {name: envoy.filters.network.http_connection_manager}}
    patch:
      operation: INSERT_BEFORE
      value:
        name: script
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
          default_source_code:
            inline_string: |
              function envoy_on_response(handle) handle:headers():add("x-script", "ran") end
"""


@pytest.fixture(scope="module", params=list(DRIVERS))
def driver(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    need(name, named(name).lacking())
    return name


@pytest.fixture(scope="module")
def box(driver: str) -> Iterator[Sandbox]:
    with Sandbox.start(bookshop(), driver=named(driver)) as started:
        yield started


def get(box: Sandbox, url: str, client: str = "productpage-v1.default") -> Observation:
    (seen,) = box.probe([Request.model_validate({"from": client, "url": url})])
    return seen


def test_each_proxy_on_a_requests_way_tells_of_it(box: Sandbox) -> None:
    seen = get(box, "http://details:9080/")
    address = f"{box.plan.mesh.pod('details-v1.default').ip}:9080"

    assert seen.status == 200
    assert [(hop.proxy, hop.direction) for hop in seen.hops] == [
        ("productpage-v1-0.default", "outbound"),
        ("details-v1-0.default", "inbound"),
    ]
    assert [hop.upstream.address for hop in seen.hops if hop.upstream] == [address, address]
    assert seen.tls is not None
    assert seen.tls.mtls


def test_a_request_from_outside_comes_through_the_gateway(box: Sandbox) -> None:
    seen = get(box, "http://shop.example.com/productpage", "outside")

    assert seen.status == 200
    assert [hop.direction for hop in seen.hops][:3] == ["gateway", "inbound", "outbound"]


def test_the_workload_witnesses_what_it_answered(box: Sandbox) -> None:
    get(box, "http://details:9080/witnessed")
    (log,) = (box.plan.run_dir / "witness").glob("details-*.jsonl")

    assert '"/witnessed"' in log.read_text()


def test_a_change_is_in_force_once_it_is_pushed(box: Sandbox) -> None:
    before = get(box, "http://details:9080/")
    box.update(bookshop(MOVED))
    kinds = [each for kinds in box.status().values() for each in kinds.values()]
    after = get(box, "http://details:9080/")
    box.update(bookshop())

    assert {each.sync for each in kinds} == {Sync.SYNCED}
    assert (before.route, after.route) == ("default", "moved")
    assert (after.request_headers_upstream or {})[":path"] == "/moved"


def test_a_change_that_envoy_refuses_is_told_in_its_words(box: Sandbox) -> None:
    with pytest.raises(Refused, match=r"refuses its clusters: .*ConnectTimeout"):
        box.update(bookshop(REFUSED))
    box.update(bookshop())

    assert get(box, "http://details:9080/").status == 200


def test_the_lab_of_the_canary_is_the_same_in_the_simulator(driver: str) -> None:
    (lab,) = (each for each in labs() if each.id == "canary-release")

    assert both_planes(*solved(lab), driver=driver).ok


def test_a_learners_code_runs_inside_walls_or_not_at_all(driver: str) -> None:
    request = Request.model_validate(
        {"from": "productpage-v1.default", "url": "http://details:9080/"}
    )
    shop = bookshop(SCRIPT, port=80)

    if named(driver).confines:
        (seen,) = probe(shop, [request], driver=driver)
        assert (seen.response_headers or {})["x-script"] == "ran"
    else:
        with pytest.raises(Unsupported, match=r"filters\.http\.lua.*--driver docker"):
            probe(shop, [request], driver=driver)


def test_after_stop_nothing_is_left(driver: str) -> None:
    with Sandbox.start(bookshop(""), driver=named(driver)) as box:
        assert traces(box.plan.run_dir).processes

    assert traces(box.plan.run_dir) == Traces()


@pytest.mark.parametrize("part", ["envoy details-v1-0.default", "workload details-v1-0.default"])
def test_a_death_is_told_by_name_and_ends_all(driver: str, part: str) -> None:
    box = Sandbox.start(bookshop(""), driver=named(driver))
    with pytest.raises(ProcessDied) as error, box:
        kill_and_hear(box, part)

    assert error.value.name == part
    assert traces(box.plan.run_dir).processes == frozenset()


def kill_and_hear(box: Sandbox, part: str) -> None:
    os.kill(box.running.children.pids[part], signal.SIGKILL)
    for _ in range(10):
        box.running.hear(1.0)


@pytest.fixture
def victim(driver: str) -> Iterator[Callable[[], tuple[subprocess.Popen[bytes], Path]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start() -> tuple[subprocess.Popen[bytes], Path]:
        command = [sys.executable, "-m", "tests.sandbox.victim", "wait", driver]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "the victim died before its sandbox was up"
        return process, Path(line.decode().strip())

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_after_its_owner_is_killed_nothing_is_left(
    victim: Callable[[], tuple[subprocess.Popen[bytes], Path]],
) -> None:
    process, run_dir = victim()
    process.kill()
    process.wait()

    eventually(lambda: traces(run_dir) == Traces(), "nothing is left")


def test_after_owner_and_supervisor_are_killed_a_sweep_leaves_nothing(
    victim: Callable[[], tuple[subprocess.Popen[bytes], Path]],
) -> None:
    process, run_dir = victim()
    supervisor = traces(run_dir).supervisor
    os.kill(supervisor, signal.SIGSTOP)  # it can no longer clean up
    process.kill()
    process.wait()
    os.kill(supervisor, signal.SIGKILL)
    rundir.sweep()

    eventually(lambda: traces(run_dir) == Traces(), "nothing is left")
